"""What the report says in which order: sections of figures, tables and sentences."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from . import (
    figures_barriers,
    figures_calibration,
    figures_learning,
    figures_mechanism,
    figures_transport,
    figures_validation,
    tables,
    tables_barriers,
    tables_mechanism,
    tables_transport,
    tables_validation,
)
from .model import Report
from .model_barriers import Barriers
from .model_transport import Mechanism, Transport
from .model_validation import Validation
from .numbers import plural, significant
from .provenance import provenance
from .tables import Table


@dataclass(frozen=True)
class Block:
    """One piece of a section: a figure or table with its caption, a sentence, or what is missing.

    A ``verbatim`` text keeps its lines.

    ``svg`` is trusted markup (our own figures, in which every text is escaped); all else is text.
    """

    text: str = ""
    svg: Markup | None = None
    table: Table | None = None
    missing: bool = False
    verbatim: bool = False


@dataclass(frozen=True)
class Section:
    """A heading and its blocks; ``anchor`` is the id that the table of contents links to."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


def sections(report: Report) -> tuple[Section, ...]:
    """Return every section of a report, in order."""
    if report.kind == "barriers":
        return (barriers_section(report.barriers or Barriers(())), *_account(report))
    if report.kind == "validation":
        return (_validation(report.validation), *_card(report), *_account(report))
    found = [Section("numbers", "Numbers", tuple(_numbers(report.transport)))]
    found.append(
        Section(
            "checks",
            "Convergence checks",
            (
                _table(
                    tables.checks_table(report),
                    "Each check with the limit that was set before the run."
                    if report.finished
                    else "As assessed in the last iteration that ended.",
                    "No convergence check was recorded.",
                ),
            ),
        )
    )
    if report.kind == "active_learning":
        found += _learning(report)
    found += _transport(report)
    if report.mechanism is not None:
        found.append(mechanism_section(report.mechanism))
    if report.barriers is not None:
        found.append(barriers_section(report.barriers))
    found += _card(report)
    found += _account(report)
    return tuple(found)


def _figure(svg: str | None, caption: str, missing: str) -> Block:
    if svg is None:
        return Block(text=missing, missing=True)
    return Block(text=caption, svg=Markup(svg))


def _table(table: Table | None, caption: str, missing: str) -> Block:
    if table is None:
        return Block(text=missing, missing=True)
    return Block(text=caption, table=table)


def point_sections(transport: Transport) -> tuple[Section, ...]:
    """Return the sections of one temperature: numbers and mean square displacements."""
    return Section("numbers", "Numbers", tuple(_numbers(transport))), _msd(transport)


def _numbers(transport: Transport | None) -> list[Block]:
    if transport is None or not transport.points:
        return [Block(text="There are no transport observables in this node.", missing=True)]
    blocks = [
        _table(
            tables_transport.diffusion_table(transport),
            "Self-diffusion from the slope of the MSD within the fit window; ± is one standard "
            "error. The log–log slope is 1 for diffusion.",
            "There is no diffusion coefficient in this node.",
        ),
        _table(
            tables_transport.conductivity_table(transport),
            "Conductivity from the collective charge displacement, σ(NE) from self-diffusion alone "
            "(Nernst–Einstein). Haven ratio here: σ(NE)/σ, above 1 where ions of opposite charge "
            f"move together. t: transference numbers{_frame(transport)}.",
            "There is no conductivity in this node.",
        ),
    ]
    blocks.append(
        _table(
            tables_transport.runs_table(transport),
            "Production runs. Deviation: largest force deviation of the committee in a frame; "
            "above the trust levels the potential extrapolates.",
            "",
        )
    )
    return blocks


def _frame(transport: Transport) -> str:
    parts = []
    if transport.reference_frame:
        parts.append(f", {transport.reference_frame} reference frame")
    if transport.charges:
        charges = ", ".join(
            f"{element} {charge:+g}".replace("-", "−")
            for element, charge in transport.charges.items()
        )
        parts.append(f", charges {charges} e")
    return "".join(parts)


def _calibration(report: Report) -> tuple[Block, ...]:
    missing = "No trust level was calibrated: no iteration has ended with a blind test."
    calibration = report.calibration
    if calibration is None:
        return (Block(text=missing, missing=True),)
    return (
        _figure(
            figures_calibration.calibration(calibration),
            f"Iteration {calibration.iteration}. Each point is a blind frame: the worst atom's "
            "true force error over the largest committee deviation of the species. Sloping lines "
            "bound the error of a new frame (conformal prediction), horizontal ones are the errors "
            "below which a frame is accurate and above which it has failed. They cross the bounds "
            "at the levels of the species; the shaded range is that of the next candidates.",
            missing,
        ),
        _table(
            tables.calibration_table(report),
            "The lower level in use is the lowest and the upper one the highest of all species; a "
            "species that is not calibrated keeps the fall-back. "
            + "; ".join(calibration.reasons)
            + ".",
            missing,
        ),
    )


def _learning(report: Report) -> list[Section]:
    parity = report.parity
    in_words = ""
    if parity is not None:
        in_words = (
            f"{parity.source.capitalize()}, {plural(parity.n_frames, 'frame')} that were never "
            "trained on, predicted by the committee member that drives the MD. Points on the line "
            f"are right. Force RMSE per component {significant(parity.force_rmse)} eV/Å"
        )
        in_words += "; of the force vector it is √3 times that. Energies from their mean."
    return [
        Section(
            "learning",
            "Learning curve",
            (
                _figure(
                    figures_learning.learning_curve(
                        report.iterations, report.final_errors, report.checks
                    ),
                    "Left: force error on frames drawn uniformly from MD and never trained on; "
                    "bars are one standard error (bootstrap over trajectories). Middle: explored "
                    "frames by committee deviation, and those that runs did not reach because "
                    "they broke off; the dashed line is the share wanted as accurate. Right: "
                    "labels spent so far, those of the iteration in colour.",
                    "No iteration has ended with a blind test or a selection.",
                ),
                _table(
                    tables.iterations_table(report),
                    "The effective number counts frames of one trajectory for less than "
                    "independent ones.",
                    "There is no iteration in this node.",
                ),
                *_ladder(report),
            ),
        ),
        Section(
            "parity",
            "Blind test",
            (
                _figure(
                    None if parity is None else figures_learning.parity(parity),
                    in_words,
                    "There are no predictions of a blind test in this node.",
                ),
            ),
        ),
        Section(
            "deviations",
            "Force deviation of the committee",
            (
                _figure(
                    figures_learning.deviations(report.iterations),
                    "Largest force deviation in each explored frame. Below the low trust level a "
                    "frame is accurate, between the levels it is a candidate for a label, above "
                    "the high one it has failed. The mass should move left from one iteration to "
                    "the next. The last bin holds all beyond it.",
                    "No selection has recorded its deviations.",
                ),
            ),
        ),
        Section("calibration", "What the deviation is worth", _calibration(report)),
        Section(
            "rdf",
            "Structure: DP-MD against the labeller's MD",
            (
                _figure(
                    figures_learning.rdf(report.rdf),
                    "Partial radial distribution functions in the cell of the labels, second half "
                    "of each run; 1 is an ideal gas. The narrow line (potential) should cover the "
                    "broad one (labeller), except where the labeller's MD is so short that it "
                    "still remembers the crystal it began from.",
                    "There is no comparison of radial distribution functions in this node.",
                ),
            ),
        ),
    ]


def _ladder(report: Report) -> list[Block]:
    table = tables.ladder_table(report)
    if table is None:
        return []
    caption = (
        "Stage of the ladder at which each structure was explored, from 1. It moves on when the "
        "share of accurate frames is reached, and back when it is lost."
    )
    return [Block(text=caption, table=table)]


def _transport(report: Report) -> list[Section]:
    transport = report.transport
    series = [] if transport is None else figures_transport.arrhenius_series(transport)
    return [
        _msd(transport),
        Section(
            "arrhenius",
            "Temperature dependence",
            (
                _figure(
                    figures_transport.arrhenius(series),
                    "Points with one standard error, weighted fit of ln D and ln σT, and its 95 % "
                    "confidence band; open points are not resolved and not in the fit.",
                    "An Arrhenius plot needs values at two temperatures or more.",
                ),
                _table(
                    tables_transport.activation_table(transport),
                    "Activation energies are slopes of the logarithms named against 1/T; that of σ "
                    "is lower than that of σT by about kT.",
                    "No activation energy was fitted.",
                ),
            ),
        ),
    ]


def _msd(transport: Transport | None) -> Section:
    return Section(
        "msd",
        "Mean square displacement",
        (
            _figure(
                None if transport is None else figures_transport.msd(transport.msd),
                "Both axes are logarithmic: diffusion is parallel to the dashed line. The "
                "broad part of each curve is the window of the fit. Charge: squared "
                "displacement of Σ z r over the number of ions, whose slope gives σ.",
                "There is no mean square displacement in this node.",
            ),
        ),
    )


def mechanism_section(mechanism: Mechanism) -> Section:
    """Return how the ions move: rates by temperature, and the curves behind them."""
    blocks = [
        _table(
            tables_mechanism.mechanism_table(mechanism),
            "± is one standard error. Hops per ion and conversions count events over the time that "
            "an ion or atom could have made one. The correlation factor is 1 for hops without "
            "memory, below 1 where ions hop back.",
            "The trajectories tell nothing about the mechanism.",
        ),
        _figure(
            figures_mechanism.mechanism(mechanism.curves),
            "Jump lengths at all temperatures; conversions and vibrations at the highest one.",
            "There is no curve of the mechanism in this node.",
        ),
    ]
    if mechanism.arrhenius:
        blocks.append(
            _table(
                tables_mechanism.barriers_table(mechanism),
                "Slopes of ln rate against 1/T. The prefactor of a hop rate is an attempt "
                "frequency times the number of neighbours.",
                "",
            )
        )
    blocks += [Block(text=warning) for warning in mechanism.warnings]
    return Section("mechanism", "Mechanism", tuple(blocks))


def barriers_section(found: Barriers) -> Section:
    """Return migration barriers by method, and the paths."""
    blocks = [
        _table(
            tables_barriers.barriers_table(found),
            "Barriers from the initial structure, of the fit through energies and forces of the "
            "images; ± is the standard deviation over the committee. Ends apart: length of the "
            "straight way between the given ends, all atoms together. Force error: largest error "
            "vector of a moving ion against the labeller, on the images of the potential.",
            "No band has been found.",
        ),
        _figure(
            figures_barriers.barriers(found.paths),
            "Left: energies of the images and the fit, counted from the initial structure. Right: "
            "the ions that move (blue), from their first place to the last (full circles), among "
            "the atoms within 3.6 Å of the way as they are half-way; what lies further above or "
            "below the plane is paler.",
            "There is no path to draw.",
        ),
    ]
    blocks += [
        Block(text=f"{path.name}: {warning}") for path in found.paths for warning in path.warnings
    ]
    blocks += [Block(text=f"Refused: {reason}") for reason in found.refused]
    return Section("barriers", "Migration barriers", tuple(blocks))


def _card(report: Report) -> list[Section]:
    if report.kind == "transport":
        return []
    missing = Block(text="There is no final potential in this node.", missing=True)
    block = Block(text=report.card, verbatim=True) if report.card else missing
    return [Section("card", "Model card", (block,))]


def _validation(found: Validation | None) -> Section:
    """Return the table of a validation, and the curves behind it."""
    return Section(
        "validation",
        "Potential against labeller",
        (
            _table(
                None if found is None else tables_validation.validation_table(found),
                "Every quantity with its difference (± one standard uncertainty) and how large "
                "that may be. A verdict holds if two standard uncertainties do not change it, else "
                "the line is a warning.",
                "The validation has not ended.",
            ),
            _figure(
                None if found is None else figures_validation.validation(found.comparisons),
                "The narrow line (potential) should cover the broad one (labeller).",
                "No check with curves was made.",
            ),
        ),
    )


def _account(report: Report) -> list[Section]:
    cost = []
    if report.kind == "active_learning":
        cost.append(
            _table(
                tables.labels_table(report),
                "Frames with energies and forces of the labeller.",
                "There are no labelled frames in this node.",
            )
        )
    cost.append(
        _table(
            tables.jobs_table(report),
            "Wall time of a job runs from its creation to the retrieval of its files, so it "
            "includes queueing and transfer; core-hours are wall time × cores asked for. Jobs "
            "taken from the cache cost nothing.",
            "No job has been run by this process.",
        )
    )
    hidden = len(report.failures) - tables.MAX_FAILURES
    failures = [
        _table(
            tables.failures_table(report),
            "Jobs and labels that did not end well. A run that blew up in the exploration is "
            "information, not a loss; a failed label is never trained on.",
            "No process failed and no label was given up.",
        )
    ]
    if hidden > 0:
        failures.append(Block(text=f"{plural(hidden, 'more case')} not shown."))
    return [
        Section("cost", "Cost", tuple(cost)),
        Section(
            "provenance",
            "Provenance",
            (
                Block(
                    text="The stages in the order of the data, with their counts. Every frame, "
                    "model and trajectory behind them is a node of the graph.",
                    svg=Markup(provenance(report)),
                ),
            ),
        ),
        Section("failures", "Failures", tuple(failures)),
        Section(
            "inputs",
            "Structures and level of theory",
            (
                _table(tables.structures_table(report), "", "No structure is linked."),
                _table(
                    tables.level_table(report),
                    "What fixes the energies, as recorded with the labels.",
                    "No level of theory is recorded in this node.",
                ),
            ),
        ),
        Section(
            "versions",
            "Versions",
            (_table(tables.versions_table(report), "As recorded in the nodes.", ""),),
        ),
    ]
