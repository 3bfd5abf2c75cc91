"""The benchmark: scans beside other libraries, a copy and an exact oracle."""
