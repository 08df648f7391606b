"""What queueing theory says of M/M/c and of the spread of estimates made from one run of it."""

from __future__ import annotations

import math
from typing import NamedTuple


class QueueTheory(NamedTuple):
    """Stationary M/M/c of arrival rate `arrivals` and service rate `services` a server (both a second)."""

    arrivals: float
    services: float
    servers: int

    @property
    def utilisation(self) -> float:
        return self.arrivals / (self.services * self.servers)

    @property
    def waiting_probability(self) -> float:
        """Erlang's C formula."""
        load = self.arrivals / self.services
        blocked = 1.0
        for servers in range(1, self.servers + 1):
            blocked = load * blocked / (servers + load * blocked)
        return blocked / (1 - self.utilisation * (1 - blocked))

    @property
    def mean_queue(self) -> float:
        """Mean number of waiting customers."""
        return self.waiting_probability * self.utilisation / (1 - self.utilisation)

    @property
    def mean_sojourn(self) -> float:
        """Mean time in the system in seconds."""
        return self.mean_queue / self.arrivals + 1 / self.services

    def spread_of_mean_queue(self, seconds: float) -> float:
        """Standard deviation of the time average of the queue length over a long run.

        For a birth-death process and any function f of its state, the variance of the time average times the length
        of the run tends to 2 * sum over j of (sum over i <= j of p_i * (f_i - mean))^2 / (birth rate * p_j)
        (W. Whitt, "Asymptotic formulas for Markov processes with applications to simulation", 1992).
        """
        weights = [1.0]
        while len(weights) < self.servers + 1 or weights[-1] > 1e-18 * sum(weights):
            busy = min(len(weights), self.servers)
            weights.append(weights[-1] * self.arrivals / (busy * self.services))
        total = sum(weights)
        variance = partial = 0.0
        for state, weight in enumerate(weights):
            probability = weight / total
            partial += probability * (max(state - self.servers, 0) - self.mean_queue)
            variance += 2 * partial * partial / (self.arrivals * probability)
        return math.sqrt(variance / seconds)


def binomial_deviation(hits: int, trials: int, probability: float) -> float:
    """How many standard deviations a count of hits lies off its expectation."""
    return (hits - trials * probability) / math.sqrt(trials * probability * (1 - probability))
