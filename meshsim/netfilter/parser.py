"""iptables-save and iptables-restore text to tables, chains and rules."""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from meshsim.errors import InputError, Position
from meshsim.netfilter.matches import (
    AddressMatch,
    InterfaceMatch,
    MarkMatch,
    Match,
    OwnerMatch,
    PortMatch,
    ProtocolMatch,
    SocketMatch,
    StateMatch,
)
from meshsim.netfilter.packet import State, Transport
from meshsim.netfilter.targets import (
    ConnectionMark,
    Ending,
    Jump,
    Redirect,
    SetMark,
    Target,
    TrackingZone,
    Translate,
    TransparentProxy,
)

ALL_BITS: Final = 0xFFFFFFFF
_MODULES: Final = ("tcp", "udp", "multiport", "owner", "mark", "connmark", "conntrack", "state", "comment")
_NO_EFFECT: Final = ("LOG", "NFLOG", "TRACE", "ULOG")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: all matches must hold."""

    text: str
    matches: tuple[Match, ...]
    target: Target


@dataclass(slots=True)
class Chain:
    """Rules in order; a built-in chain has a policy, others return to where they were called."""

    name: str
    policy: Ending = Ending.RETURN
    rules: list[Rule] = field(default_factory=list)


@dataclass(slots=True)
class Ruleset:
    """The tables of one address family."""

    tables: dict[str, dict[str, Chain]] = field(default_factory=dict)

    def chain(self, table: str, name: str) -> Chain | None:
        """A chain, ``None`` when there is none."""
        return self.tables.get(table, {}).get(name)


def parse_rules(text: str, *, file: str = "", names: Mapping[str, int] | None = None) -> Ruleset:
    """Read ``iptables-save`` output or an ``iptables-restore`` input; raises `InputError` with the line.

    `names` gives the numbers of users and groups that rules name.
    """
    ruleset = Ruleset()
    table = ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        try:
            if line.startswith("*"):
                table = line[1:].strip()
                ruleset.tables.setdefault(table, _built_in(table))
            elif line == "COMMIT":
                table = ""
            else:
                _read_line(ruleset.tables[table], line, names or {})
        except (IndexError, KeyError, ValueError) as error:
            message = f"rule '{line}' cannot be read: {error}"
            hint = "give the output of iptables-save"
            raise InputError(message, Position(file or "rules", number, 1), hint) from error
    return ruleset


def _built_in(table: str) -> dict[str, Chain]:
    hooks = {
        "raw": ("PREROUTING", "OUTPUT"),
        "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
        "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
        "filter": ("INPUT", "FORWARD", "OUTPUT"),
        "security": ("INPUT", "FORWARD", "OUTPUT"),
    }
    return {name: Chain(name, Ending.ACCEPT) for name in hooks[table]}


def _read_line(chains: dict[str, Chain], line: str, names: Mapping[str, int]) -> None:
    if line.startswith(":"):
        name, policy = line[1:].split()[:2]
        chain = chains.setdefault(name, Chain(name))
        if policy != "-":
            chain.policy = Ending(policy)
        return
    if line.startswith("["):
        line = line.partition("]")[2].strip()
    words = shlex.split(line)
    command, name = words[0], words[1]
    if command in ("-N", "--new-chain"):
        chains.setdefault(name, Chain(name))
        return
    rest = words[2:]
    chain = chains[name]
    if command in ("-I", "--insert"):
        position = int(rest.pop(0)) if rest and rest[0].isdigit() else 1
        chain.rules.insert(position - 1, _rule(line, rest, chains, names))
    elif command in ("-A", "--append"):
        chain.rules.append(_rule(line, rest, chains, names))
    else:
        raise ValueError(f"command {command} is not known")


def _rule(line: str, words: list[str], chains: Mapping[str, Chain], names: Mapping[str, int]) -> Rule:
    reader = _Reader(words, names)
    matches: list[Match] = []
    target: Target = Ending.NOTHING
    while reader.more():
        word = reader.next()
        if word in ("-j", "--jump"):
            target = _target(reader, chains)
        elif word in ("-g", "--goto"):
            target = Jump(reader.next(), goto=True)
        elif word in ("-m", "--match"):
            module = reader.next()
            if module not in _MODULES:
                raise ValueError(f"match {module} is not modelled")
        elif word == "--comment":
            reader.next()
        else:
            negated = word == "!"
            matches.append(reader.match(reader.next() if negated else word, negated))
    return Rule(line, tuple(matches), target)


class _Reader:
    """Words of a rule, one after the other."""

    def __init__(self, words: list[str], names: Mapping[str, int]) -> None:
        self._words = words
        self._names = names
        self._at = 0

    def more(self) -> bool:
        return self._at < len(self._words)

    def next(self) -> str:
        self._at += 1
        return self._words[self._at - 1]

    def option(self, *options: str) -> str | None:
        """The value of an option if it comes next."""
        if self.more() and self._words[self._at] in options:
            self._at += 1
            return self.next()
        return None

    def switch(self, option: str) -> bool:
        """Whether an option without value comes next."""
        if self.more() and self._words[self._at] == option:
            self._at += 1
            return True
        return False

    def match(self, option: str, negated: bool) -> Match:
        """The match an option asks for."""
        if option == "--socket-exists":
            return SocketMatch(negated)
        value = self.next()
        if value == "!":
            negated, value = True, self.next()
        match option:
            case "-p" | "--protocol":
                return ProtocolMatch(None if value == "all" else Transport(value), negated)
            case "-s" | "--source":
                return AddressMatch(ipaddress.ip_network(value, strict=False), True, negated)
            case "-d" | "--destination":
                return AddressMatch(ipaddress.ip_network(value, strict=False), False, negated)
            case "-i" | "--in-interface":
                return InterfaceMatch(value, True, negated)
            case "-o" | "--out-interface":
                return InterfaceMatch(value, False, negated)
            case "--sport" | "--source-port" | "--sports" | "--source-ports":
                return PortMatch(_port_ranges(value), True, False, negated)
            case "--dport" | "--destination-port" | "--dports" | "--destination-ports":
                return PortMatch(_port_ranges(value), False, True, negated)
            case "--ports":
                return PortMatch(_port_ranges(value), True, True, negated)
            case "--uid-owner" | "--gid-owner":
                low, high = self._owner(value)
                return OwnerMatch(low, high, option == "--gid-owner", negated)
            case "--mark":
                mark, mask = _mark(value)
                return MarkMatch(mark, mask, self._module() == "connmark", negated)
            case "--ctstate" | "--state":
                return StateMatch(tuple(State(part) for part in value.split(",")), negated)
        raise ValueError(f"option {option} is not modelled")

    def _module(self) -> str:
        """The match module whose options come here."""
        loaded = [i for i, w in enumerate(self._words[: self._at]) if w in ("-m", "--match")]
        return self._words[loaded[-1] + 1]

    def _owner(self, value: str) -> tuple[int, int]:
        if value in self._names:
            return self._names[value], self._names[value]
        low, dash, high = value.partition("-")
        if not low.isdigit() or (dash and not high.isdigit()):
            raise ValueError(f"user or group {value} has no known number")
        return int(low), int(high) if dash else int(low)


def _port_ranges(value: str) -> tuple[tuple[int, int], ...]:
    ranges = []
    for part in value.split(","):
        low, colon, high = part.partition(":")
        ranges.append((int(low or 0), int(high or 65535) if colon else int(low)))
    return tuple(ranges)


def _mark(value: str) -> tuple[int, int]:
    mark, slash, mask = value.partition("/")
    return int(mark, 0), int(mask, 0) if slash else ALL_BITS


def _target(reader: _Reader, chains: Mapping[str, Chain]) -> Target:
    name = reader.next()
    if name in chains:
        return Jump(name)
    match name:
        case "ACCEPT" | "DROP" | "RETURN":
            return Ending(name)
        case "REJECT":
            reader.option("--reject-with")
            return Ending.REJECT
        case "REDIRECT":
            port = reader.option("--to-ports", "--to-port")
            return Redirect(int(port) if port else 0)
        case "DNAT" | "SNAT":
            return _translate(reader.option("--to-destination", "--to-source") or "", name == "SNAT")
        case "MASQUERADE":
            return Translate(None, 0, True)
        case "TPROXY":
            return _transparent(reader)
        case "MARK":
            return _set_mark(reader)
        case "CONNMARK":
            return _connection_mark(reader)
        case "CT":
            if reader.switch("--notrack"):
                return TrackingZone(0, untracked=True)
            return TrackingZone(int(reader.option("--zone") or 0))
        case _ if name in _NO_EFFECT:
            while reader.more():
                reader.next()
            return Ending.NOTHING
    raise ValueError(f"target {name} is neither a chain nor modelled")


def _translate(value: str, of_source: bool) -> Translate:
    if value.startswith("["):
        address, _, port = value[1:].partition("]")
        return Translate(ipaddress.ip_address(address), int(port.lstrip(":") or 0), of_source)
    if value.count(":") > 1:
        return Translate(ipaddress.ip_address(value), 0, of_source)
    address, _, port = value.partition(":")
    return Translate(ipaddress.ip_address(address) if address else None, int(port or 0), of_source)


def _transparent(reader: _Reader) -> TransparentProxy:
    port, mark, mask = 0, 0, 0
    while reader.more():
        option, value = reader.next(), reader.next()
        if option == "--on-port":
            port = int(value)
        elif option == "--tproxy-mark":
            mark, mask = _mark(value)
        elif option != "--on-ip":
            raise ValueError(f"option {option} of TPROXY is not modelled")
    return TransparentProxy(port, mark, mask)


def _set_mark(reader: _Reader) -> SetMark:
    option, value = reader.next(), reader.next()
    mark, mask = _mark(value)
    match option:
        case "--set-mark":
            return SetMark(mark | mask, mark)
        case "--set-xmark":
            return SetMark(mask, mark)
        case "--or-mark":
            return SetMark(mark, mark)
        case "--and-mark":
            return SetMark(~mark & ALL_BITS, 0)
        case "--xor-mark":
            return SetMark(0, mark)
    raise ValueError(f"option {option} of MARK is not modelled")


def _connection_mark(reader: _Reader) -> ConnectionMark:
    word = reader.next()
    for option in ("--nfmask", "--ctmask", "--mask"):
        value = reader.option(option)
        if value is not None and int(value, 0) != ALL_BITS:
            raise ValueError(f"option {option} of CONNMARK is not modelled")
    if word == "--save-mark":
        return ConnectionMark.SAVE
    if word == "--restore-mark":
        return ConnectionMark.RESTORE
    raise ValueError(f"option {word} of CONNMARK is not modelled")
