"""How far the sources can be trusted: proof results, quarantines, one source against another."""
