#!/usr/bin/env python3
"""Rewrites the kernels from Metal Shading Language to C++.

    translate.py --prelude prelude_host.h [--tuning FILE] [--kernels NAMES]
        scan.metal > scan.cpp

Metal's dialect differs from C++ in few places, and only those are touched:

    device T*, threadgroup T*    device_pointer<T>, threadgroup_pointer<T>
    constant T&, thread T&       const T&, T&
    threadgroup T name[n];       UPSWEEP_THREADGROUP_ARRAY(T, name, n);
    [static] constant constexpr  static constexpr
    [[kernel]] void f(…)         UPSWEEP_KERNEL_FUNC void f(…) without attributes;
                                 then launch_f, which takes what a kernel is
                                 given, UPSWEEP_GIVEN(P), and calls f with it
    template [[host_name(s)]]    UPSWEEP_REGISTER(s, P, launch_f<A>), s as a name
      [[kernel]] decltype(f<A>) f<A>;

where P is the type of f's constant argument, or void,

and files that are included are put in place. A prelude gives those names, and
Metal's functions and types, their meaning. What is not understood is an error.
"""

import argparse
import re
import sys
from pathlib import Path

TOKEN = re.compile(
    r"""(?P<space>(?:\s|\\\n|//[^\n]*|/\*.*?\*/)+)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<number>\.?\d(?:[\w.]|(?<=[eEpP])[+-])*)
      | (?P<name>[A-Za-z_]\w*)
      | (?P<sign>::|\#\#|->|\[\[|\]\]|<<|<=|>=|==|!=|&&|\|\||\+\+|--|.)""",
    re.VERBOSE | re.DOTALL,
)
PRAGMA = re.compile(r"pragma\s+(once|METAL fp contract)")
SPACES = {"device", "threadgroup", "constant", "thread"}
POINTERS = {"device": "device_pointer", "threadgroup": "threadgroup_pointer"}
KERNEL_ATTRIBUTES = {"kernel", "max_total_threads_per_threadgroup"}
ARGUMENTS = {
    "threadgroup_position_in_grid": "UPSWEEP_GROUP",
    "thread_index_in_simdgroup": "UPSWEEP_THREAD % 32",
    "simdgroup_index_in_threadgroup": "UPSWEEP_THREAD / 32",
}
CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">", "[[": "]]"}


class Error(Exception):
    pass


class Token:
    def __init__(self, kind, text, line):
        self.kind, self.text, self.line = kind, text, line


def tokenize(text, line):
    tokens = []
    for match in TOKEN.finditer(text):
        tokens.append(Token(match.lastgroup, match.group(), line))
        line += match.group().count("\n")
    return tokens


def source(tokens):
    return "".join(t.text for t in tokens)


def trimmed(tokens):
    start, end = 0, len(tokens)
    while start < end and tokens[start].kind == "space":
        start += 1
    while end > start and tokens[end - 1].kind == "space":
        end -= 1
    return tokens[start:end]


class Translator:
    """One file's tokens, and what they become."""

    def __init__(self, name, tokens):
        self.name, self.tokens, self.at = name, tokens, 0
        self.out = []
        self.params = {}  # of each kernel

    def error(self, message, token=None):
        line = (token or self.tokens[min(self.at, len(self.tokens) - 1)]).line
        raise Error(f"{self.name}:{line}: {message}")

    # Looking and moving.

    def peek(self, ahead=0):
        """The text of a token from here, spaces not counted."""
        at = self.at
        while at < len(self.tokens):
            if self.tokens[at].kind != "space":
                if ahead == 0:
                    return self.tokens[at].text
                ahead -= 1
            at += 1
        return ""

    def take(self):
        """The next token that is no space."""
        self.skip_space()
        if self.at == len(self.tokens):
            self.error("the file ends too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def skip_space(self):
        while self.at < len(self.tokens) and self.tokens[self.at].kind == "space":
            self.at += 1

    def expect(self, text):
        token = self.take()
        if token.text != text:
            self.error(f"expected {text!r}, found {token.text!r}", token)
        return token

    def balanced(self, opening):
        """The tokens between an opening sign, which is next, and its closing one."""
        self.expect(opening)
        closing, depth, start = CLOSING[opening], 1, self.at
        while True:
            text = self.take().text
            depth += (text == opening) - (text == closing)
            if depth == 0:
                return self.tokens[start : self.at - 1]

    def type_name(self):
        """[const] [typename] a::b<…>::c, as text."""
        words = []
        while self.peek() in ("const", "typename"):
            words.append(self.take().text)
        name = ""
        while True:
            token = self.take()
            if token.kind != "name" or token.text in SPACES:
                self.error(f"expected a type, found {token.text!r}", token)
            name += token.text
            if self.peek() == "<":
                name += f"<{source(self.balanced('<'))}>"
            if self.peek() != "::":
                break
            name += self.take().text
        return " ".join([*words, name])

    # Translating.

    def run(self):
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.kind == "space" or token.kind in ("string", "number"):
                self.keep()
            elif token.text == "template" and self.peek(1) == "[[":
                self.instantiation()
            elif token.text == "[[":
                self.kernel()
            elif token.text in SPACES:
                self.address_space()
            else:
                self.keep()
        return source(self.out)

    def keep(self):
        self.out.append(self.tokens[self.at])
        self.at += 1

    def emit(self, text, line):
        self.out.append(Token("text", text, line))

    def address_space(self):
        start = self.take()
        space = start.text
        if space == "constant" and self.peek() == "constexpr":
            written = [t.text for t in self.out if t.kind != "space"]
            if written[-1:] != ["static"]:
                self.emit("static", start.line)
            return
        if space == "thread" and self.peek() in ("{", ";"):
            return  # of a member function
        kind = self.type_name()
        sign = self.peek()
        if space in POINTERS and sign == "*":
            self.take()
            self.emit(f"{POINTERS[space]}<{kind}>", start.line)
        elif space == "constant" and sign == "&":
            self.emit(f"const {kind}", start.line)
        elif space == "thread" and sign == "&":
            self.emit(kind, start.line)
        elif space == "threadgroup" and self.peek(1) in ("[", ";"):
            self.variable(kind, start.line)
        else:
            self.error(f"cannot translate {space!r} before {kind} {sign}", start)

    def variable(self, kind, line):
        name = self.take().text
        if self.peek() == "[":
            count = source(self.balanced("["))
            self.emit(f"UPSWEEP_THREADGROUP_ARRAY({kind}, {name}, {count})", line)
        else:
            self.emit(f"UPSWEEP_THREADGROUP_VARIABLE({kind}, {name})", line)

    def instantiation(self):
        start = self.expect("template")
        attribute = Translator(self.name, self.balanced("[["))
        attribute.expect("host_name")
        name = pasted(attribute.balanced("("))
        if source(self.balanced("[[")) != "kernel" or self.take().text != "decltype":
            self.error("expected an instantiation of a kernel", start)
        function = source(trimmed(self.balanced("(")))
        if self.type_name() != function:
            self.error("an instantiation of something else than its type", start)
        self.expect(";")
        kernel = function.partition("<")[0]
        if kernel not in self.params:
            self.error(f"an instantiation of {kernel}, which is no kernel", start)
        params = self.params[kernel]
        self.emit(f"UPSWEEP_REGISTER({name}, {params}, launch_{function})", start.line)

    def kernel(self):
        """[[kernel, …]] void name(arguments) {…}, after template <class M> or not."""
        start = self.tokens[self.at]
        for attribute in split(self.balanced("[["), ","):
            if attribute[0].text not in KERNEL_ATTRIBUTES:
                self.error(f"unknown attribute {attribute[0].text!r}", start)
        header = re.search(r"template\s*<class (\w+)>\s*$", source(self.out))
        self.expect("void")
        name = self.take()
        parameters, arguments, params = [], [], "void"
        for tokens in split(self.balanced("("), ","):
            kind, identifier, value = self.parameter(tokens)
            if tokens[0].text == "constant":
                params = kind.removeprefix("const ").removesuffix("&")
            parameters.append(f"{kind} {identifier}")
            arguments.append(value)
        self.emit(
            f"UPSWEEP_KERNEL_FUNC void {name.text}({', '.join(parameters)})", name.line
        )
        line = self.tokens[self.at].line
        body = Translator(self.name, self.balanced("{")).run()
        last = self.tokens[self.at - 1].line
        template = f"template <class {header[1]}>\n" if header else ""
        m = f"<{header[1]}>" if header else ""
        self.params[name.text] = params
        launch = f"launch_{name.text}"
        call = (
            f"{template}UPSWEEP_KERNEL_FUNC void {launch}(UPSWEEP_GIVEN({params})) {{\n"
            f"  {name.text}{m}({', '.join(arguments)});\n}}\n"
        )
        if not header:
            call += f"UPSWEEP_REGISTER({name.text}, {params}, {launch})\n"
        self.emit(
            f"\n#line {line} {quoted(self.name)}\n{{{body}}}\n{call}"
            f"#line {last} {quoted(self.name)}\n",
            last,
        )

    def parameter(self, tokens):
        """Type, name and value of a kernel's parameter."""
        inner = Translator(self.name, tokens)
        attribute_at = next(
            (i for i, t in enumerate(tokens) if t.text == "[["), len(tokens)
        )
        declaration = Translator(self.name, trimmed(tokens[:attribute_at])).run()
        match = re.fullmatch(r"(.*?[\s&>])(\w+)", declaration, re.DOTALL)
        inner.at = attribute_at
        if not match or not inner.peek():
            inner.error("a parameter without an attribute", tokens[-1])
        kind, name = match.group(1).strip(), match.group(2)
        attribute = Translator(self.name, inner.balanced("[["))
        which = attribute.take().text
        if which == "buffer":
            index = source(attribute.balanced("("))
            return kind, name, f"UPSWEEP_ARGUMENT({index}, {kind})"
        if which not in ARGUMENTS:
            inner.error(f"unknown attribute {which!r}", tokens[-1])
        return kind, name, ARGUMENTS[which]


def split(tokens, separator):
    """Between the separators that are in no brackets, without spaces around."""
    parts, depth = [[]], 0
    for token in tokens:
        depth += (token.text in CLOSING) - (token.text in CLOSING.values())
        if token.text == separator and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return [trimmed(part) for part in parts if trimmed(part)]


def pasted(tokens):
    """What spells a string, as in "spine_" #name, as what spells a name."""
    words = []
    for token in trimmed(tokens):
        if token.kind == "string":
            words.append(token.text[1:-1])
        elif token.kind == "name":
            words.append(token.text)
    return "##".join(words)


def quoted(name):
    return '"' + str(name).replace("\\", "\\\\") + '"'


def translate(path, prelude, replaced, done=None, kernels=None):
    """The translation of a file and of all that it includes; of the kernels in
    kernels.def only the sets of the given names, if any."""
    done = set() if done is None else done
    path = replaced.get(path.name, path)
    out, text, line = [f"#line 1 {quoted(path)}\n"], [], 1
    first = 1

    def flush():
        out.append(Translator(path, tokenize("".join(text), first)).run())
        text.clear()

    for line, content in enumerate(path.read_text().splitlines(keepends=True), 1):
        listed = re.match(r"UPSWEEP_(?:KERNEL|COPY|VJP|JVP)\((\w+), ", content)
        if kernels and listed and listed[1] not in kernels:
            content = "\n"
        include = re.match(r'\s*#\s*include\s+(?:<(\S+)>|"(\S+)")', content)
        if not include and not re.match(r"\s*#\s*pragma\s", content):
            text.append(content)
            continue
        flush()
        first = line + 1
        if include and include.group(1) == "metal_stdlib":
            out.append(f'#include "{prelude}"\n')
        elif include and include.group(1):
            out.append(content)
        elif include and include.group(2) not in done:
            done.add(include.group(2))
            out.append(translate(path.parent / include.group(2), prelude, replaced,
                                 done, kernels))  # fmt: skip
        elif not include and not PRAGMA.search(content):
            raise Error(f"{path}:{line}: unknown pragma")
        out.append(f"#line {line + 1} {quoted(path)}\n")
    flush()
    return "".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--prelude", required=True)
    parser.add_argument("--tuning", type=Path, help="instead of tuning_apple.h")
    parser.add_argument(
        "--kernels",
        type=lambda names: names.split(","),
        help="of kernels.def, only those of these names, with commas between",
    )
    options = parser.parse_args()
    replaced = {"tuning_apple.h": options.tuning} if options.tuning else {}
    try:
        sys.stdout.write(
            translate(
                options.source, options.prelude, replaced, kernels=options.kernels
            )
        )
    except Error as error:
        sys.exit(f"translate.py: {error}")


if __name__ == "__main__":
    main()
