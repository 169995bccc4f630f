"""Who signs a request, and whether the signature is true. Pure; knows no API and no store."""
