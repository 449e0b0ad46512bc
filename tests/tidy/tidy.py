#!/usr/bin/python3
"""Style as a failing test: what the house rules say about sources and a machine can see.

    tidy.py ROOT [--untracked] [--no-format] [--density]

Looks at the C sources, Python files and meson.build files that git tracks under ROOT (every file
where ROOT is not a git repository; with --untracked also files git does not track yet). Prints one
line for each finding, `path:line: rule: text`, and ends with status 1 if there is any.

Rules:
  include    a folder includes its own headers and those below it: ops > net > route > persist >
             engine, net without persist; a quoted header exists; header names are unique
  size       .c at most 800 lines, .h 250; functions 70 lines; lines 100 columns; no tabs, no
             space at the end of a line
  banned     what banned.txt beside this file says
  left       words for unfinished work; code in comments; `//` comments in C
  essay      the first comment of every file has at least 3 lines, 5 in engine, route and persist
  letter     fields of structs in headers of engine and route carry a letter [I O R A M W], except
             functions, and in a struct whose comment calls it a value
  density    engine, route and persist have at least 3 assertions per 100 lines of code each
  listed     every .c is in the meson.build of its folder, every test in tests/meson.build
  format     clang-format has nothing to change (where it is installed)

The rules are heuristics on text, not a compiler: they rest on the layout that clang-format makes.
"""
import re
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

STAIRS = {
    "engine": {"engine"},
    "persist": {"engine", "persist"},
    "route": {"engine", "persist", "route"},
    "net": {"engine", "route", "net"},
    "ops": {"engine", "persist", "route", "net", "ops"},
}
ASSERTING = ("engine", "persist", "route")
LETTERED = ("engine", "route")
FILE_LINES_MAX = {".c": 800, ".h": 250}
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 100
DENSITY_GOAL = 4.0
DENSITY_MIN = 3.0
DENSITY_LINES_MIN = 300  # a folder with less code is not judged yet

Finding = namedtuple("Finding", "path line rule text")
Ban = namedtuple("Ban", "what pattern where exceptions instead")

# Spelled apart, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(FIX" r"ME|TO" r"DO|XX" r"X|HA" r"CK)\b")
ASSERTION = re.compile(r"\b(CHECK|CHECK_\w+|\w+_CHECK|STATIC_CHECK|UNREACHABLE|\w+_assert\w*)\s*\(")
LETTER = re.compile(r"\[[IORAMW]([,/ ]+[IORAMW])*\]")
CODE_IN_COMMENT = re.compile(
    r"^(return\b.*;"
    r"|(else\s+)?(if|for|while|switch)\s*\(.*\)\s*\{?"
    r"|[\w.>\[\]*-]+\s*([-+|&]?=)\s*[^=].*;"
    r"|\w+\([^()]*(\([^()]*\)[^()]*)*\);"
    r"|(struct|static|const|u?int\d*_t|int|char|bool|size_t)\s[^.]*;)$")


class Source:
    """One file: its text, and for C its text with comments and strings blanked."""

    def __init__(self, root, path):
        self.path = path
        self.name = Path(path).name
        self.suffix = Path(path).suffix
        self.folder = path.split("/")[0] if "/" in path else ""
        self.text = (root / path).read_text(encoding="utf-8", errors="replace")
        self.lines = self.text.split("\n")
        if self.lines and self.lines[-1] == "":
            self.lines.pop()
        self.is_c = self.suffix in (".c", ".h", ".cc")
        if self.is_c:
            self.code, self.comments = split_c(self.text)
            self.code_lines = self.code.split("\n")


def split_c(text):
    """The code without comments and the insides of strings, and the comments as (line, text).

    Blanked characters become spaces, so lines and columns stay.
    """
    token = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    comments = []

    def blank(match):
        found = match.group()
        if found[0] == "/":
            comments.append((text.count("\n", 0, match.start()) + 1, found))
            return re.sub(r"[^\n]", " ", found)
        if re.search(r"#\s*include\s*$", text[max(0, match.start() - 40):match.start()]):
            return found
        return found[0] + " " * (len(found) - 2) + found[-1]

    return token.sub(blank, text), comments


def list_files(root, with_untracked):
    """The paths to look at, relative to `root`."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached"]
    if with_untracked:
        command += ["--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        paths = sorted(set(p for p in listed.split("\0") if p))
    except (OSError, subprocess.CalledProcessError):
        paths = sorted(str(p.relative_to(root)) for p in root.rglob("*")
                       if p.is_file() and not str(p.relative_to(root)).startswith((".", "build")))
    wanted = re.compile(r"(\.(c|h|cc|py)|(^|/)meson\.build)$")
    return [p for p in paths if wanted.search(p) and (root / p).is_file()]


def read_bans(path):
    bans = []
    for line in path.read_text(encoding="utf-8").split("\n"):
        if not line.strip() or line.startswith("#"):
            continue
        # A regular expression may have bars in it, the three columns behind it may not.
        what, where, exceptions, instead = (part.strip() for part in line.rsplit("|", 3))
        if what.startswith("re:"):
            pattern = re.compile(what[3:])
        else:
            pattern = re.compile(r"(?<![\w.>])" + re.escape(what) + r"\s*\(")
        bans.append(Ban(what, pattern, where.split(), exceptions.split(), instead))
    return bans


def check_includes(sources):
    headers = {}
    builds = "".join(s.text for s in sources if s.name == "meson.build")
    generated = set(re.findall(r"output\s*:\s*'([^']+\.h)'", builds))
    for s in sources:
        if s.suffix == ".h":
            if s.name in headers:
                yield Finding(s.path, 1, "include", f"{headers[s.name].path} has the same name")
            headers[s.name] = s
    for s in sources:
        if not s.is_c:
            continue
        for number, line in enumerate(s.code_lines, 1):
            match = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
            if not match:
                continue
            name = match.group(1)
            target = headers.get(name)
            if s.folder == "tests" and name.startswith("../"):
                continue  # helpers that several folders of tests share
            if "/" in name:
                yield Finding(s.path, number, "include", f'"{name}": plain names only')
            elif target is None and name in generated:
                continue
            elif target is None:
                yield Finding(s.path, number, "include", f'"{name}": there is no such header')
            elif s.folder in STAIRS and target.folder not in STAIRS[s.folder]:
                yield Finding(s.path, number, "include",
                              f"{s.folder} does not see {target.folder} (\"{name}\")")


def functions_of(source):
    """(first line, last line, name) of each function: clang-format puts its braces at column 0."""
    lines = source.code_lines
    start = None
    for at, line in enumerate(lines):
        if line.startswith("{"):
            start = at
            while start > 0 and lines[start - 1].strip() and not re.search(
                    r"[;}\\]\s*$|^#", lines[start - 1]):
                start -= 1
        elif line.startswith("}") and start is not None:
            signature = " ".join(lines[start:at])
            match = re.search(r"(\w+)\s*\(", signature)
            yield start + 1, at + 1, match.group(1) if match else "?"
            start = None


def check_sizes(sources):
    for s in sources:
        cap = FILE_LINES_MAX.get(s.suffix)
        if cap and len(s.lines) > cap:
            yield Finding(s.path, len(s.lines), "size", f"{len(s.lines)} lines, at most {cap}")
        for number, line in enumerate(s.lines, 1):
            if len(line) > COLUMNS_MAX:
                yield Finding(s.path, number, "size",
                              f"{len(line)} columns, at most {COLUMNS_MAX}")
            if "\t" in line:
                yield Finding(s.path, number, "size", "a tab")
            if line != line.rstrip():
                yield Finding(s.path, number, "size", "space at the end of the line")
        if s.text and not s.text.endswith("\n"):
            yield Finding(s.path, len(s.lines), "size", "no newline at the end of the file")
        if s.is_c:
            for first, last, name in functions_of(s):
                if last - first + 1 > FUNCTION_LINES_MAX:
                    yield Finding(s.path, first, "size", f"{name} has {last - first + 1} lines, "
                                  f"at most {FUNCTION_LINES_MAX}")


def check_bans(sources, bans):
    for s in sources:
        if not s.is_c:
            continue
        places = {"all", s.folder} | ({"broker"} if s.folder in STAIRS else set())
        applying = [b for b in bans if s.path not in b.exceptions and places & set(b.where)]
        for number, line in enumerate(s.code_lines, 1):
            for ban in applying:
                if ban.pattern.search(line):
                    yield Finding(s.path, number, "banned", f"{ban.what}; instead: {ban.instead}")


def check_left_behind(sources):
    for s in sources:
        for number, line in enumerate(s.lines, 1):
            if UNFINISHED.search(line):
                yield Finding(s.path, number, "left", UNFINISHED.search(line).group())
        if not s.is_c:
            continue
        for number, comment in s.comments:
            if comment.startswith("//"):
                if s.suffix != ".cc":
                    yield Finding(s.path, number, "left", "a // comment; write /* */")
                continue
            # Essays at column 0 may show how something is called.
            indented = s.lines[number - 1].startswith((" ", "\t"))
            if not indented and "\n" in comment:
                continue
            for offset, line in enumerate(comment[2:-2].split("\n")):
                if CODE_IN_COMMENT.match(line.strip().lstrip("*").strip()):
                    yield Finding(s.path, number + offset, "left", "code in a comment")


def check_essays(sources):
    for s in sources:
        if s.suffix not in (".c", ".h"):
            continue
        wanted = 5 if s.folder in ASSERTING else 3
        found = 0
        if s.text.startswith("/*") and s.comments:
            found = s.comments[0][1].count("\n") + 1
        if found < wanted:
            yield Finding(s.path, 1, "essay",
                          f"the first comment has {found} lines, at least {wanted}")


def structs_of(source):
    """(line of `struct x {`, line of its `}`) of the structs and unions at the file's level."""
    start = None
    for at, line in enumerate(source.code_lines):
        if start is None and re.match(r"(typedef\s+)?(struct|union)\b[^;()=]*\{\s*$", line):
            start = at
        elif start is not None and line.startswith("}"):
            yield start, at
            start = None


def comment_above(source, at):
    """The comment that ends right above line index `at` and does not stand behind code."""
    for number, comment in source.comments:
        if (number - 1 + comment.count("\n") == at - 1
                and not source.code_lines[number - 1].strip()):
            return comment
    return ""


def check_letters(sources):
    for s in sources:
        if s.suffix != ".h" or s.folder not in LETTERED:
            continue
        essay = s.comments[0][1] if s.comments else ""
        if re.search(r"Threads?:[^.;]*\bvalues?\b", essay):
            continue
        for start, end in structs_of(s):
            if re.search(r"\bvalues?\b", comment_above(s, start)):
                continue
            for at in range(start + 1, end):
                code = s.code_lines[at].strip()
                if not code.endswith(";") or code.startswith("}") or "(*" in code:
                    continue  # a function of a table is set at start, as the table is
                # The comment is behind the field (and may go on below it) or above it.
                around = s.lines[at] + comment_above(s, at)
                if not LETTER.search(around):
                    yield Finding(s.path, at + 1, "letter", "a field without a letter: " + code)


def densities(sources):
    """(folder, assertions, lines of code) of the folders that are judged."""
    for folder in ASSERTING:
        code = [line for s in sources if s.folder == folder and s.is_c
                for line in s.code_lines if line.strip()]
        yield folder, sum(len(ASSERTION.findall(line)) for line in code), len(code)


def check_density(sources):
    for folder, asserts, lines in densities(sources):
        if lines >= DENSITY_LINES_MIN and 100.0 * asserts / lines < DENSITY_MIN:
            yield Finding(folder, 0, "density", f"{100.0 * asserts / lines:.1f} assertions per 100 "
                          f"lines, at least {DENSITY_MIN}")


def check_listed(sources):
    builds = {s.path: s.text for s in sources if s.name == "meson.build"}
    for s in sources:
        if s.suffix != ".c":
            continue
        parts = s.path.split("/")
        if parts[0] in STAIRS:
            build, wanted = parts[0] + "/meson.build", f"'{'/'.join(parts[1:])}'"
        elif parts[0] == "tests" and parts[1] in ("unit", "model"):
            build, wanted = "tests/meson.build", f"'{s.name[:-2]}'"
        else:
            continue
        if wanted not in builds.get(build, ""):
            yield Finding(s.path, 1, "listed", f"{wanted} is not in {build}")


def check_format(root, sources):
    tool = shutil.which("clang-format")
    paths = [s.path for s in sources if s.is_c]
    if tool is None or not paths:
        return
    run = subprocess.run([tool, "--dry-run"] + paths, cwd=root, capture_output=True, text=True)
    seen = set()
    for line in run.stderr.split("\n"):
        match = re.match(r"(.+?):(\d+):\d+: (warning|error):", line)
        if match and match.group(1) not in seen:
            seen.add(match.group(1))
            yield Finding(match.group(1), int(match.group(2)), "format",
                          "clang-format changes this file")


def findings_of(root, with_untracked=False, with_format=True):
    sources = [Source(root, p) for p in list_files(root, with_untracked)]
    bans = read_bans(Path(__file__).with_name("banned.txt"))
    found = []
    for check in (check_includes, check_sizes, check_left_behind, check_essays, check_letters,
                  check_density, check_listed):
        found += check(sources)
    found += check_bans(sources, bans)
    if with_format:
        found += check_format(root, sources)
    return sorted(found), sources


def main(arguments):
    names = [a for a in arguments if not a.startswith("--")]
    options = set(arguments) - set(names)
    if len(names) != 1 or options - {"--untracked", "--no-format", "--density"}:
        print(__doc__.split("\n\n")[1].strip(), file=sys.stderr)
        return 2
    found, sources = findings_of(Path(names[0]).resolve(), "--untracked" in options,
                                 "--no-format" not in options)
    for f in found:
        print(f"{f.path}:{f.line}: {f.rule}: {f.text}")
    for folder, asserts, lines in densities(sources):
        if lines:
            density = 100.0 * asserts / lines
            note = "" if density >= DENSITY_GOAL else f", the goal is {DENSITY_GOAL:.0f}"
            print(f"{folder}: {asserts} assertions in {lines} lines of code, "
                  f"{density:.1f} per 100{note}")
    if "--density" in options:
        for s in sources:
            if s.folder in ASSERTING and s.suffix == ".c":
                code = [line for line in s.code_lines if line.strip()]
                asserts = sum(len(ASSERTION.findall(line)) for line in code)
                print(f"  {s.path}: {100.0 * asserts / max(1, len(code)):.1f}")
    print(f"{len(sources)} files, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
