"""Sources in processes of their own: started, watched, ended and started again by the core."""
