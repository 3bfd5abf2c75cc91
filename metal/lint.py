#!/usr/bin/env python3
"""Refuses what Metal Shading Language 3.1 refuses and other compilers take, and
what translate.py could not follow.

    lint.py FILE…        of .metal and .h files; without any, those beside it

It looks at tokens, not at types, and relies on how these files are written:
pointers and references are spelled T* and T&, binary operators have spaces.
"""

import re
import sys
from pathlib import Path

from translate import SPACES, Token, tokenize

REFUSED = {
    "double": "there is no double",
    "long": "long is int64_t or ulong here",
    "bfloat": "bfloat16 is handled as bits",
    "auto": "types are written out",
    "goto": "there is no goto",
    "new": "there is no new",
    "delete": "there is no delete",
    "virtual": "there are no virtual functions",
    "override": "there are no virtual functions",
    "try": "there are no exceptions",
    "catch": "there are no exceptions",
    "throw": "there are no exceptions",
    "noexcept": "there are no exceptions",
    "typeid": "there is no RTTI",
    "dynamic_cast": "there is no RTTI",
    "thread_local": "there is no thread_local",
    "std": "there is no standard library",
    "printf": "there is no standard library",
    "assert": "there is no standard library",
    "concept": "Metal 3.1 is C++14",
    "requires": "Metal 3.1 is C++14",
    "consteval": "Metal 3.1 is C++14",
    "constinit": "Metal 3.1 is C++14",
    "simd_prefix_inclusive_sum": "its order of additions is not specified",
    "simd_prefix_exclusive_sum": "its order of additions is not specified",
    "simd_prefix_inclusive_product": "its order of factors is not specified",
    "simd_prefix_exclusive_product": "its order of factors is not specified",
    "simd_sum": "its order of additions is not specified",
    "simd_product": "its order of factors is not specified",
    "atomic_compare_exchange_weak_explicit": "floats must not be compared so",
}
# What a simdgroup function takes, of the types that are used here.
SIMD_TYPES = {"uint", "int", "float", "ushort", "half", "uint2"}
SIMD = re.compile(r"(simd|quad)_(shuffle|broadcast)\w*$")
DECIMAL = re.compile(r"(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d+)?$")


def spaces_before(text):
    """For each token whether there is a space before: operators have one."""
    result, space = [], False
    for token in tokenize(text, 1):
        if token.kind == "space":
            space = True
        else:
            result.append(space)
            space = False
    return [*result, True]


def directive_lines(text):
    """The lines of the preprocessor."""
    lines, goes_on = set(), False
    for number, line in enumerate(text.splitlines(), 1):
        if goes_on or line.lstrip().startswith("#"):
            lines.add(number)
            goes_on = line.endswith("\\")
        else:
            goes_on = False
    return lines


class Linter:
    def __init__(self, path, text):
        self.path, self.found = path, []
        tokens = [t for t in tokenize(text, 1) if t.kind != "space"]
        self.tokens = [*tokens, Token("end", "", 0)]
        self.spaced = spaces_before(text)
        self.directives = directive_lines(text)

    def report(self, at, message):
        self.found.append(f"{self.path}:{self.tokens[at].line}: {message}")

    def word(self, at):
        return self.tokens[at].text if 0 <= at < len(self.tokens) else ""

    def run(self):
        for at, token in enumerate(self.tokens):
            if token.text in REFUSED and not self.is_directive(at):
                self.report(at, f"{token.text}: {REFUSED[token.text]}")
            self.check_numbers(at)
            self.check_lambdas(at)
            self.check_templates(at)
            self.check_later_language(at)
            self.check_declarators(at)
            self.check_simd(at)
        self.check_scopes()
        return self.found

    def is_directive(self, at):
        return self.tokens[at].line in self.directives

    def check_numbers(self, at):
        text = self.word(at)
        if self.tokens[at].kind != "number":
            return
        if DECIMAL.fullmatch(text):
            self.report(at, f"{text}: a double; a float ends in f")
        if re.match(r"0[xX][0-9a-fA-F.]*[pP]", text):
            self.report(at, f"{text}: hexadecimal floats are C++17")
        if re.search(r"ll", text, re.IGNORECASE):
            self.report(at, f"{text}: there is no long long")

    def check_lambdas(self, at):
        if self.word(at) != "[" or self.tokens[at - 1].kind == "name":
            return
        if self.word(at - 1) not in (")", "]", ">"):
            self.report(at, "a lambda")

    def check_templates(self, at):
        if self.word(at) in ("struct", "class") and self.tokens[at + 1].kind == "name":
            after = at + 2
            if self.word(after) == "<":  # a specialisation
                depth = 0
                while True:
                    depth += (self.word(after) == "<") - (self.word(after) == ">")
                    after += 1
                    if depth == 0:
                        break
            if self.word(after) == ":":
                self.report(at, "a derived class")

    def check_later_language(self, at):
        """What C++17 brought, and compilers take before."""
        if self.word(at) == "if" and self.word(at + 1) == "constexpr":
            self.report(at, "if constexpr is C++17")
        if self.word(at) in ("if", "switch") and self.word(at + 1) == "(":
            depth, end = 1, at + 2
            while depth and end < len(self.tokens) - 1:
                depth += (self.word(end) == "(") - (self.word(end) == ")")
                if depth and self.word(end) == ";":
                    self.report(at, f"{self.word(at)} with an initializer is C++17")
                end += 1
        if self.word(at) == "namespace" and self.word(at + 2) == "::":
            self.report(at, "nested namespaces in one are C++17")

    def check_declarators(self, at):
        """T* and T& name the address space of what they point at."""
        if self.word(at) not in ("*", "&") or self.is_directive(at):
            return
        if self.tokens[at - 1].kind != "name" and self.word(at - 1) != ">":
            return
        if self.spaced[at]:
            is_operator = self.spaced[at + 1] or self.word(at + 1) == "="
            if not is_operator and self.word(at - 1) != "return":
                wrong = f"{self.word(at)}{self.word(at + 1)}"
                self.report(at, f"{wrong}: neither an operator nor T{self.word(at)}")
            return
        start = at - 1
        while True:
            if self.word(start) == ">":
                depth = 0
                while True:
                    depth += (self.word(start) == ">") - (self.word(start) == "<")
                    if depth == 0:
                        break
                    start -= 1
                start -= 1
            if self.word(start - 1) != "::":
                break
            start -= 2
        while self.word(start - 1) in ("const", "typename", "volatile"):
            start -= 1
        if self.word(start - 1) not in SPACES:
            kind = self.word(at - 1) + self.word(at)
            self.report(at, f"{kind} without an address space")

    def check_simd(self, at):
        if not SIMD.match(self.word(at)) or self.word(at + 1) != "(":
            return
        if self.word(at + 2) == "as_type":
            if self.word(at + 4) not in SIMD_TYPES:
                self.report(at, f"{self.word(at)} of {self.word(at + 4)}")
            return
        # The nearest declaration of its first argument tells the type.
        name = self.word(at + 2)
        for before in range(at - 1, 0, -1):
            if self.word(before) == name and self.tokens[before - 1].kind == "name":
                if self.word(before - 1) not in SIMD_TYPES:
                    self.report(at, f"{self.word(at)} of {self.word(before - 1)}")
                return
        self.report(at, f"{self.word(at)} of {name}, whose type is not in sight")

    def check_scopes(self):
        """What may stand outside of functions, in them, and in kernels."""
        stack, start = [], 0  # of braces, by what they open; and of a statement
        for at in range(len(self.tokens)):
            text = self.word(at)
            if self.is_directive(at):
                start = at + 1
                continue
            if text == "{":
                stack.append(self.opened(start, at, stack))
                start = at + 1
            elif text == "}":
                if stack:
                    stack.pop()
                start = at + 1
            elif text == ";":
                self.check_statement(start, at, stack)
                start = at + 1

    def opened(self, start, at, stack):
        """What a brace begins."""
        words = [self.word(i) for i in range(start, at)]
        if stack and stack[-1] not in ("namespace", "struct"):
            return stack[-1]
        if "namespace" in words:
            return "namespace"
        if "enum" in words:
            return "enum"
        if "struct" in words and "(" not in words:
            return "struct"
        if "=" in words:
            self.check_variable(start, words, stack)
            return "initialiser"
        if "kernel" in words:
            return "kernel"
        name = " ".join(words[:6])
        if "METAL_FUNC" not in words and "constexpr" not in words:
            self.report(start, f"{name} …: a function without METAL_FUNC")
        if stack[-1:] == ["struct"] and "static" not in words:
            self.report(start, f"{name} …: a member function that is not static")
        return "function"

    def check_statement(self, start, at, stack):
        words = [self.word(i) for i in range(start, at)]
        scope = stack[-1] if stack else "namespace"
        if words[:1] == ["threadgroup"] and "*" not in words and "&" not in words:
            if scope != "kernel":
                self.report(start, "a threadgroup variable outside of a kernel")
            return
        if scope == "namespace" and "(" not in words:
            self.check_variable(start, words, stack)
        if scope == "struct" and {"static", "constexpr"} <= {*words}:
            if "constant" not in words:
                name = " ".join(words[:4])
                self.report(start, f"{name} …: a variable of a struct, not constant")

    def check_variable(self, start, words, stack):
        """Variables of a program are constants."""
        if stack and stack[-1] not in ("namespace",):
            return
        if not words or words[0] in ("using", "template", "struct", "static_assert",
                                     "enum", "typedef"):  # fmt: skip
            return
        if words[0] != "constant":
            name = " ".join(words[:4])
            self.report(start, f"{name} …: a variable of the program, not constant")


def lint(path, text=None):
    return Linter(path, path.read_text() if text is None else text).run()


def main():
    folder = Path(__file__).parent
    # The preludes and what hosts share are C++ of their own.
    ours = [
        p for p in sorted(folder.glob("*.h")) if not p.name.startswith("prelude_")
    ] + sorted(folder.glob("*.metal"))
    found = [line for p in map(Path, sys.argv[1:] or ours) for line in lint(p)]
    print("\n".join(found), end="\n" if found else "")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
