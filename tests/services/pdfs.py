"""Small PDF files, good and bad, made by hand."""

import io
import zlib

from pypdf import PdfReader, PdfWriter


def pdf(*pages: str, squeeze: bool = False) -> bytes:
    """One page for each text, with its letters as text."""
    contents = [f"BT /F1 12 Tf 72 720 Td ({page}) Tj ET".encode("latin-1") for page in pages]
    return from_contents(*contents, squeeze=squeeze)


def from_contents(*contents: bytes, squeeze: bool = False) -> bytes:
    kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(len(contents)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(contents)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for at, content in enumerate(contents):
        page = f"/Parent 2 0 R /Contents {5 + 2 * at} 0 R /Resources << /Font << /F1 3 0 R >> >>"
        objects.append(f"<< /Type /Page {page} /MediaBox [0 0 612 792] >>".encode())
        objects.append(_stream(content, squeeze))
    return _file(objects)


def _stream(content: bytes, squeeze: bool) -> bytes:
    data = zlib.compress(content, 9) if squeeze else content
    filtered = " /Filter /FlateDecode" if squeeze else ""
    return f"<< /Length {len(data)}{filtered} >>\nstream\n".encode() + data + b"\nendstream"


def _file(objects: list[bytes]) -> bytes:
    data, places = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, start=1):
        places.append(len(data))
        data += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    start = len(data)
    data += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    data += b"".join(f"{place:010d} 00000 n \n".encode() for place in places)
    data += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(data)


def locked(data: bytes, password: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    writer.encrypt(user_password=password, owner_password="owner", algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
