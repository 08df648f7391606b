"""istio-iptables options to rules; iptables-save parser; tables, chains, conntrack NAT; a packet in, verdict out."""

from meshsim.netfilter.capture import CaptureRules, RuleCommand, build_rules, restore_text
from meshsim.netfilter.interception import PodRules, PodRulesFactory
from meshsim.netfilter.options import CaptureOptions, parse_arguments
from meshsim.netfilter.packet import Connection, Endpoint, Flow, Host, Packet, State, Transport, pod_host
from meshsim.netfilter.parser import Chain, Rule, Ruleset, parse_rules
from meshsim.netfilter.pods import capture_of_pod
from meshsim.netfilter.walk import INBOUND_PORT, OUTBOUND_PORT, Outcome, Step, Verdict, walk

__all__ = [
    "INBOUND_PORT",
    "OUTBOUND_PORT",
    "CaptureOptions",
    "CaptureRules",
    "Chain",
    "Connection",
    "Endpoint",
    "Flow",
    "Host",
    "Outcome",
    "Packet",
    "PodRules",
    "PodRulesFactory",
    "Rule",
    "RuleCommand",
    "Ruleset",
    "State",
    "Step",
    "Transport",
    "Verdict",
    "build_rules",
    "capture_of_pod",
    "parse_arguments",
    "parse_rules",
    "pod_host",
    "restore_text",
    "walk",
]
