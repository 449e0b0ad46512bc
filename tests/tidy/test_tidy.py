#!/usr/bin/python3
"""test_tidy.py -- each rule of tidy.py finds what it is for, and lets the like pass.

Every case is a small tree with one file (and what that file needs) written to a temporary folder;
the findings of its rule are compared with what is expected.
"""
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import tidy  # noqa: E402

ESSAY = "/*\n * a.c -- a file.\n *\n * It is here\n * to be judged.\n */\n"


class Rules(unittest.TestCase):
    def found(self, files, rule, with_format=False):
        """The findings of `rule` in a tree of `files`, as "path:line" strings."""
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for path, text in files.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text, encoding="utf-8")
            findings, _ = tidy.findings_of(root, with_format=with_format)
        return [f"{f.path}:{f.line}" for f in findings if f.rule == rule]

    def expect(self, text, rule, lines, path="route/a.c"):
        """The rule finds these lines of `text`, counted behind the essay."""
        base = ESSAY.count("\n")
        self.assertEqual(self.found({path: ESSAY + text}, rule),
                         [f"{path}:{base + n}" for n in lines], text)

    def test_includes_go_down(self):
        files = {f"{folder}/{folder}.h": ESSAY for folder in tidy.STAIRS}
        for folder, seen in tidy.STAIRS.items():
            text = ESSAY + "".join(f'#include "{f}.h"\n' for f in sorted(tidy.STAIRS))
            expected = [f"{folder}/a.c:{7 + i}" for i, f in enumerate(sorted(tidy.STAIRS))
                        if f not in seen]
            self.assertEqual(self.found({**files, folder + "/a.c": text}, "include"), expected)
        everything = ESSAY + '#include "ops.h"\n#include "engine.h"\n#include <stdio.h>\n'
        self.assertEqual(self.found({**files, "tests/unit/ops/a.c": everything}, "include"), [])

    def test_includes_exist_and_are_plain(self):
        self.expect('#include "nothing.h"\n#include "../a/b.h"\n', "include", [1, 2])
        self.expect('/* #include "nothing.h" */\n', "include", [])
        made = {"ops/meson.build": "configure_file(output: 'nothing.h')\n",
                "ops/a.c": ESSAY + '#include "nothing.h"\n'}
        self.assertEqual(self.found(made, "include"), [])

    def test_header_names_are_unique(self):
        self.assertEqual(self.found({"net/x.h": ESSAY, "ops/x.h": ESSAY}, "include"),
                         ["ops/x.h:1"])

    def test_file_sizes(self):
        for suffix, cap in tidy.FILE_LINES_MAX.items():
            for over in (0, 1):
                text = ESSAY + "int a;\n" * (cap - 6 + over)
                path = "net/a" + suffix
                self.assertEqual(self.found({path: text}, "size"),
                                 [f"{path}:{cap + 1}"] if over else [])

    def test_function_sizes(self):
        for over in (0, 1):
            body = "    a();\n" * (tidy.FUNCTION_LINES_MAX - 4 + over)
            text = "\nstatic int b(int c,\n             int d)\n{\n" + body + "}\n"
            self.expect(text, "size", [2] if over else [])
        self.expect("struct a x[] = {\n" + "    1,\n" * 100 + "};\n", "size", [])

    def test_lines(self):
        self.expect("/* " + "a" * 94 + " */\n", "size", [])
        self.expect("/* " + "a" * 95 + " */\n", "size", [1])
        self.expect("int a; \n\tint b;\n", "size", [1, 2])
        self.expect("int a;\nint b;", "size", [2])
        self.assertEqual(self.found({"tests/a.py": "a" * 101 + "\n"}, "size"), ["tests/a.py:1"])

    def test_banned_calls(self):
        self.expect("a = strcpy(b, c);\na = sprintf (b);\na = atoi(c);\n", "banned", [1, 2, 3])
        self.expect('a = snprintf(b);\nx.strcpy(b);\np->strcpy(b);\nmy_strcpy(b);\n', "banned", [])
        self.expect('/* strcpy(a, b) */ a = "strcpy(b)";\n', "banned", [])
        self.expect("printf(a);\nexit(1);\n", "banned", [1, 2])
        self.expect("printf(a);\nexit(1);\n", "banned", [], path="ops/a.c")
        self.expect("clock_gettime(a);\n", "banned", [1])
        self.expect("clock_gettime(a);\n", "banned", [], path="engine/clock.c")
        self.expect("clock_gettime(a);\n", "banned", [], path="tests/unit/net/a.c")
        self.expect("pthread_mutex_lock(a);\n", "banned", [1], path="net/a.c")
        self.expect("pthread_mutex_lock(a);\n", "banned", [], path="engine/epoch.c")
        self.expect("#if 0\n#endif\n", "banned", [1])
        self.expect("typedef struct a b;\n", "banned", [1])
        self.expect("typedef struct a *(*b)(int);\n", "banned", [])

    def test_every_ban_is_well_formed(self):
        bans = tidy.read_bans(Path(tidy.__file__).with_name("banned.txt"))
        self.assertGreater(len(bans), 30)
        for ban in bans:
            self.assertTrue(ban.where and ban.instead, ban)
            self.assertLessEqual(set(ban.where), {"all", "broker", "bench", *tidy.STAIRS}, ban)

    def test_unfinished_words(self):
        self.expect("/* TO" "DO: more */\n/* FIX" "ME */\nint xx" "x;\n", "left", [1, 2])
        self.assertEqual(self.found({"tests/a.py": "# XX" "X\n"}, "left"), ["tests/a.py:1"])

    def test_code_in_comments(self):
        for code in ("return a;", "a = b + 1;", "free(a);", "if (a > b)", "p->next = q;",
                     "for (i = 0; i < n; i++) {", "uint32_t x;", "struct a *b = c;"):
            self.expect(f"{{\n    /* {code} */\n}}\n", "left", [2])
            self.expect(f"{{\n    /*\n     * {code}\n     */\n}}\n", "left", [3])
        for prose in ("the mutex is free;", "see free(a).", "both may end; the first wins",
                      "a == b here", "the return value", "RC_OK or RC_FULL;"):
            self.expect(f"{{\n    /* {prose} */\n}}\n", "left", [])
        self.expect("/*\n * How to call it:\n *     a = b(c);\n */\n", "left", [])
        self.expect("int a; // no\n", "left", [1])
        self.expect('char *a = "http://b";\n', "left", [])

    def test_essays(self):
        three = "/*\n * a.\n */\n"
        self.assertEqual(self.found({"net/a.c": three, "ops/a.h": three}, "essay"), [])
        self.assertEqual(self.found({"net/a.c": "/* a. */\n"}, "essay"), ["net/a.c:1"])
        self.assertEqual(self.found({"net/a.c": "\n" + three}, "essay"), ["net/a.c:1"])
        for folder in tidy.ASSERTING:
            self.assertEqual(self.found({folder + "/a.h": three}, "essay"), [folder + "/a.h:1"])
            self.assertEqual(self.found({folder + "/a.h": ESSAY}, "essay"), [])

    def test_letters(self):
        header = "route/a.h"
        self.expect("struct a {\n    int b; /* [I] */\n    int c; /* no */\n};\n", "letter", [3],
                    path=header)
        self.expect("struct a {\n    /* [A/W] both */\n    int b;\n};\n", "letter", [], path=header)
        self.expect("/* A plain value. */\nstruct a {\n    int b;\n};\n", "letter", [], path=header)
        self.expect("struct a {\n    void (*b)(int);\n};\n", "letter", [], path=header)
        self.expect("struct a {\n    int b;\n};\n", "letter", [2], path="engine/a.h")
        self.expect("struct a {\n    int b;\n};\n", "letter", [], path="net/a.h")
        self.expect("struct a {\n    int b;\n};\n", "letter", [], path="route/a.c")
        self.assertEqual(self.found({header: "/*\n * Threads: pure values, any.\n */\n"
                                     "struct a {\n    int b;\n};\n"}, "letter"), [])

    def test_density(self):
        for asserts, expected in ((8, ["engine:0"]), (9, [])):
            text = ESSAY + "    CHECK(a);\n" * asserts + "    a();\n" * (300 - asserts)
            self.assertEqual(self.found({"engine/a.c": text}, "density"), expected)
            self.assertEqual(self.found({"net/a.c": text}, "density"), [])

    def test_listed(self):
        self.assertEqual(self.found({"net/a.c": ESSAY}, "listed"), ["net/a.c:1"])
        self.assertEqual(self.found({"net/a.c": ESSAY, "net/meson.build": "files('a.c')\n"},
                                    "listed"), [])
        test = {"tests/unit/net/test_a.c": ESSAY}
        self.assertEqual(self.found(test, "listed"), ["tests/unit/net/test_a.c:1"])
        self.assertEqual(self.found({**test, "tests/meson.build": "['unit', 'net', 'test_a']\n"},
                                    "listed"), [])

    @unittest.skipIf(tidy.shutil.which("clang-format") is None, "clang-format is not installed")
    def test_format(self):
        style = {".clang-format": "BasedOnStyle: LLVM\n"}
        for text, expected in (("int a;\n", []), ("int   a;\n", ["net/a.c:7"])):
            files = {**style, "net/a.c": ESSAY + text}
            self.assertEqual(self.found(files, "format", True), expected)


if __name__ == "__main__":
    unittest.main()
