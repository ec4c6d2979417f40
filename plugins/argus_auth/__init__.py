"""Built-in authenticators, one module and one entry point each."""
