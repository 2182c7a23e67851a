"""Packs one file as `sam deploy` does, with Python's zipfile, and prints the archive's length in bytes.

usage: pack.py FILE
"""
import io
import sys
import zipfile

archive = io.BytesIO()
with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as z:
    z.write(sys.argv[1], "bootstrap")
print(len(archive.getvalue()))
