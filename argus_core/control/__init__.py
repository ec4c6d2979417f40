"""What operators change while Argus runs: pools, routes, switches, the configuration itself."""
