#!/usr/bin/python3
"""Writes library_data.c: scenario files and the compare script as C strings (load/library.h).

    embed.py OUTPUT COMPARE SCENARIO...
"""
import sys
from pathlib import Path


def quoted(text):
    """The text as C string literals, one for each line; bytes that are not plain as octal."""
    lines = []
    for line in text.splitlines(keepends=True):
        out = ""
        for byte in line.encode("utf-8"):
            char = chr(byte)
            if char in "\\\"?":
                out += "\\" + char
            elif 32 <= byte < 127:
                out += char
            else:
                out += f"\\{byte:03o}"
        lines.append(f'    "{out}"')
    return "\n".join(lines) or '    ""'


def main():
    output, compare, *scenarios = [Path(p) for p in sys.argv[1:]]
    parts = ['/* Written by embed.py. */\n#include "library.h"\n',
             "const struct library_entry library_entries[] = {"]
    for path in sorted(scenarios, key=lambda p: p.stem):
        parts.append(f'{{"{path.stem}",\n{quoted(path.read_text(encoding="utf-8"))}}},')
    parts.append("{NULL, NULL},\n};\n")
    parts.append(f"const char library_compare[] =\n{quoted(compare.read_text(encoding='utf-8'))};")
    output.write_text("\n".join(parts) + "\n", encoding="utf-8")


main()
