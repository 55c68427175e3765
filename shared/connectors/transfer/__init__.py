"""What every connector shares: cutting contents into parts, checksums and their proof, names, faults. Knows no store."""
