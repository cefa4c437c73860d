"""`completion`: a script for bash, zsh or fish that completes the command line, made from the parsers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from elasticq.cli.commands import COMMANDS
from elasticq.cli.common import FINE, statuses
from elasticq.cli.manual import Manual, Place


def parser(program: str) -> Manual:
    """The parser of its arguments, which is also its manual."""
    about = [
        "Prints a script that lets a shell complete the commands of elasticq, their options, and what "
        "belongs to these: files, directories, or one of several words.",
        "The script names what this version can do. Make it again after an upgrade, or let the shell make it "
        "each time that it starts.",
    ]
    examples = [
        "For bash, in ~/.bashrc:",
        f"$ source <({program} bash)",
        "For zsh, in ~/.zshrc, after compinit:",
        f"$ source <({program} zsh)",
        "For fish, in ~/.config/fish/config.fish:",
        f"$ {program} fish | source",
    ]
    made = Manual(program, about, {"examples": examples, "exit status": statuses("")})
    made.add_argument("shell", choices=_SCRIPTS, metavar="SHELL", help="bash, zsh or fish")
    return made


def main(arguments: Sequence[str], program: str) -> int:
    """Runs the command and returns its exit status."""
    chosen = parser(program).parse_args(arguments)
    sys.stdout.write("".join(f"{line}\n" for line in _SCRIPTS[chosen.shell]()))
    return FINE


@dataclass(frozen=True)
class Argument:
    """An option, or a place on the command line."""

    names: Sequence[str]
    """Those of the option; none if it is a place."""
    help: str
    takes: bool
    """Whether a value belongs to it."""
    choices: Sequence[str]
    place: Place | None
    may_repeat: bool = False

    @property
    def hint(self) -> str:
        """What its value is, for shells that show it."""
        return self.place.value if self.place else "value"


@dataclass(frozen=True)
class Grammar:
    """What a parser takes."""

    options: list[Argument] = field(default_factory=list)
    places: list[Argument] = field(default_factory=list)

    @classmethod
    def of(cls, parser: Manual) -> Grammar:
        """What this parser takes."""
        grammar = cls()
        for action in parser._actions:
            text = parser._get_formatter()._expand_help(action) if action.help else ""
            argument = Argument(
                action.option_strings,
                text.partition(". ")[0].partition("; ")[0].removesuffix("."),
                not action.option_strings or action.nargs != 0,
                [str(choice) for choice in action.choices or ()],
                parser.places.get(action.dest),
                isinstance(action, argparse._AppendAction),
            )
            if action.nargs != argparse.REMAINDER:
                (grammar.options if action.option_strings else grammar.places).append(argument)
        return grammar

    @property
    def words(self) -> list[str]:
        """The names of all options."""
        return [name for option in self.options for name in option.names]


def _grammars() -> tuple[Grammar, dict[str, Grammar]]:
    """What stands before the command, and behind each command."""
    from elasticq.__main__ import parser as whole

    commands = {
        name: Grammar.of(command.load().parser(f"elasticq {name}")) for name, command in COMMANDS.items()
    }
    return Grammar.of(whole("elasticq")), commands


# bash: also the one of macOS, which is of 2007 and has neither mapfile nor compopt.

_BASH_HEAD = r"""# Completes the command line of elasticq in bash.
_elasticq_offer() {
    local word
    while IFS= read -r word; do
        COMPREPLY+=("$word")
    done < <(compgen "$@")
}

_elasticq_paths() {
    compopt -o filenames 2> /dev/null
    _elasticq_offer "$1" -- "$2"
}

_elasticq() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' index
    COMPREPLY=()
    if [[ $word == = ]]; then
        word=''
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for ((index = 1; index < COMP_CWORD; index++)); do
        if [[ ${COMP_WORDS[index]} != -* ]]; then
            command=${COMP_WORDS[index]}
            break
        fi
    done
    case $command:$before in"""

_BASH_MIDDLE = r"""    esac
    case $command:$word in"""

_BASH_TAIL = r"""    esac
}

complete -F _elasticq elasticq"""


def _bash() -> Iterator[str]:
    before, commands = _grammars()
    yield from _BASH_HEAD.splitlines()
    for name, grammar in commands.items():
        for option in grammar.options:
            if option.takes:
                patterns = "|".join(f"{name}:{word}" for word in option.names)
                yield f"        {patterns}) {_bash_value(option)}; return ;;"
    yield from _BASH_MIDDLE.splitlines()
    for name, grammar in commands.items():
        yield f"        {name}:-*) _elasticq_offer -W '{' '.join(grammar.words)}' -- \"$word\" ;;"
        for place in grammar.places[:1]:
            yield f"        {name}:*) {_bash_value(place)} ;;"
    yield f"        :-*) _elasticq_offer -W '{' '.join(before.words)}' -- \"$word\" ;;"
    yield f"        :*) _elasticq_offer -W '{' '.join(commands)}' -- \"$word\" ;;"
    yield from _BASH_TAIL.splitlines()


def _bash_value(argument: Argument) -> str:
    if argument.choices:
        return f"_elasticq_offer -W '{' '.join(argument.choices)}' -- \"$word\""
    if argument.place:
        return f'_elasticq_paths {"-f" if argument.place is Place.FILE else "-d"} "$word"'
    return ":"


# zsh


def _zsh() -> Iterator[str]:
    before, commands = _grammars()
    yield "#compdef elasticq"
    yield "# Completes the command line of elasticq in zsh."
    yield "_elasticq() {"
    yield "    local context state state_descr line"
    yield "    typeset -A opt_args"
    yield "    _arguments -C \\"
    for option in before.options:
        yield f"        {_zsh_option(option)} \\"
    yield "        '1:command:->command' '*::argument:->arguments'"
    yield "    case $state in"
    yield "        command)"
    yield "            local -a commands=("
    for name, command in COMMANDS.items():
        yield f"                {_quoted(f'{name}:{command.purpose}')}"
    yield "            )"
    yield "            _describe -t commands command commands ;;"
    yield "        arguments)"
    yield "            case $line[1] in"
    for name, grammar in commands.items():
        yield f"                {name}) _arguments \\"
        parts = [_zsh_option(option) for option in grammar.options]
        parts += [_quoted(f"{index}:{_zsh_value(place)}") for index, place in enumerate(grammar.places, 1)]
        yield " \\\n".join(f"                    {part}" for part in parts) + " ;;"
    yield "            esac ;;"
    yield "    esac"
    yield "}"
    yield "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then"
    yield '    _elasticq "$@"'
    yield "else"
    yield "    compdef _elasticq elasticq"
    yield "fi"


def _zsh_option(option: Argument) -> str:
    text = "".join(f"\\{sign}" if sign in "[]:\\" else sign for sign in option.help)
    value = f":{_zsh_value(option)}" if option.takes else ""
    others = f"({' '.join(option.names)})" if len(option.names) > 1 else "*" if option.may_repeat else ""
    return " ".join(_quoted(f"{others}{name}[{text}]{value}") for name in option.names)


def _zsh_value(argument: Argument) -> str:
    if argument.choices:
        return f"{argument.hint}:({' '.join(argument.choices)})"
    if argument.place:
        return f"{argument.hint}:{'_files' if argument.place is Place.FILE else '_files -/'}"
    return f"{argument.hint}: "


# fish


def _fish() -> Iterator[str]:
    before, commands = _grammars()
    yield "# Completes the command line of elasticq in fish."
    yield "complete -c elasticq -f"
    for option in before.options:
        yield f"complete -c elasticq -n __fish_use_subcommand{_fish_option(option)}"
    for name, command in COMMANDS.items():
        yield f"complete -c elasticq -n __fish_use_subcommand -a {name} -d {_quoted(command.purpose)}"
    for name, grammar in commands.items():
        condition = f"complete -c elasticq -n '__fish_seen_subcommand_from {name}'"
        for place in grammar.places:
            yield f"{condition}{_fish_value(place)}"
        for option in grammar.options:
            yield f"{condition}{_fish_option(option)}"


def _fish_option(option: Argument) -> str:
    names = "".join(
        f" -l {name.removeprefix('--')}" if name.startswith("--") else f" -s {name.removeprefix('-')}"
        for name in option.names
    )
    if not option.takes:
        return f"{names} -d {_quoted(option.help)}"
    exclusive = "-r" if option.place is Place.FILE else "-x"
    return f"{names} -d {_quoted(option.help)} {exclusive}{_fish_value(option)}"


def _fish_value(argument: Argument) -> str:
    if argument.choices:
        return f" -a {_quoted(' '.join(argument.choices))}"
    if argument.place is Place.FOLDER:
        return " -a '(__fish_complete_directories)'"
    return " -F" if argument.place else ""


def _quoted(text: str) -> str:
    """A word in quotes, for zsh and fish."""
    return "'" + text.replace("'", "'\\''") + "'"


_SCRIPTS: dict[str, Callable[[], Iterator[str]]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
