"""HiGHS, fed with arrays; every status it returns is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gridwright.dispatch.linear_program import Program
from gridwright.dispatch.site import Floats
from gridwright.domain.errors import PlanError

if TYPE_CHECKING:
    import highspy
    from highspy._core import _Highs

# Where binaries are needed, a plan that is good to a ten-thousandth or to half a cent is good, and so is the best one
# after a second: only odd prices (selling dearer than buying) take that long. Linear programs run to their end.
MIXED_LIMIT_S, LINEAR_LIMIT_S = 1.0, 600.0
# One number of threads in the whole process: two objects that differ make run() fail (dispatch reference 1.3).
OPTIONS: dict[str, bool | int | float | str] = {
    "output_flag": False,
    "threads": 1,
    "mip_rel_gap": 1e-4,
    "mip_abs_gap": 5e-3,
    "random_seed": 0,
}


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """Optimal columns, the objective, and what one more unit of each row's right side costs (0 with binaries)."""

    columns: Floats
    objective: float
    row_dual: Floats


def solve(program: Program) -> Solution:
    """Minimise the program; no optimum is a PlanError that says what the solver said."""
    import highspy
    from highspy._core import _Highs

    # The public class prints a banner to stdout as it is made, before anything can forbid it.
    highs = _Highs()
    limit = MIXED_LIMIT_S if program.integer.any() else LINEAR_LIMIT_S
    for name, value in {**OPTIONS, "time_limit": limit}.items():
        _accept(highs.setOptionValue(name, value), f"option {name} = {value}")
    _accept(_pass(highs, program), f"a model of {program.cost.size} columns")
    _accept(highs.run(), "to run")
    status = highs.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal and not _has_plan(highs):
        raise PlanError(f"the solver found no plan: {highs.modelStatusToString(status)}")
    found = highs.getSolution()
    objective = float(highs.getInfo().objective_function_value)
    return Solution(np.array(found.col_value), objective, np.array(found.row_dual))


def _pass(highs: _Highs, program: Program) -> highspy.HighsStatus:
    import highspy

    return highs.passModel(
        program.cost.size,
        program.row_low.size,
        program.value.size,
        int(highspy.MatrixFormat.kColwise),
        int(highspy.ObjSense.kMinimize),
        0.0,
        program.cost,
        program.low,
        program.high,
        program.row_low,
        program.row_high,
        program.start,
        program.index,
        program.value,
        program.integer.astype(np.int32),
    )


def _accept(status: highspy.HighsStatus, what: str) -> None:
    import highspy

    if status == highspy.HighsStatus.kError:
        raise PlanError(f"the solver refuses {what}", remedy="check the installed version of highspy")


def _has_plan(highs: _Highs) -> bool:
    """Tell whether the time ran out with a feasible plan in hand: a good plan now beats the best one too late."""
    import highspy

    feasible = highs.getInfo().primal_solution_status == int(highspy.SolutionStatus.kSolutionStatusFeasible)
    return bool(highs.getModelStatus() == highspy.HighsModelStatus.kTimeLimit and feasible)
