"""Built-in load balancers, one module and one entry point each."""
