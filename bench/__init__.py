"""The benchmark: compares scans with other libraries, a copy and an exact oracle."""
