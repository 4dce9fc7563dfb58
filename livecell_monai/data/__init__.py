"""Files on disk become checked records. Readers give one plane (Y, X); data sets are split without a leak. No torch here."""
