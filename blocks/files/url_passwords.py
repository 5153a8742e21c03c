"""Passwords in URLs, which stand in no message, fingerprint or artefact."""

import re


def without_secrets(text: str) -> str:
    """A text in which no password of a URI stands.

    Example:
        >>> without_secrets("postgresql://me:secret@host/db?password=other&sslmode=require")
        'postgresql://me:***@host/db?password=***&sslmode=require'
    """
    text = re.sub(r"(\w+://[^/\s:@]*):[^@/\s]*@", r"\1:***@", text)
    return re.sub(r"(?i)\b(password|passwd|pwd|sslpassword)\s*=\s*('[^']*'|[^&\s]*)", r"\1=***", text)
