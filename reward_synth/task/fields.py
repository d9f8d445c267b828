"""Where a field's numbers come from in a MuJoCo model, and how they are read for a whole batch."""

from __future__ import annotations

import keyword
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import mujoco
import numpy as np

from reward_synth.errors import TaskError, did_you_mean
from reward_synth.records import Field

Block = Literal["qpos", "qvel", "sensordata", "last_action"]
LAST_ACTION = "last_action"

_S = mujoco.mjtSensor
# unit and default frame by sensor type; frame sensors with a reference body are "in" that body
_SENSOR_UNITS: dict[int, tuple[str, str]] = {
    _S.mjSENS_TOUCH: ("N", "contact"),
    _S.mjSENS_ACCELEROMETER: ("m/s^2", "site"),
    _S.mjSENS_VELOCIMETER: ("m/s", "site"),
    _S.mjSENS_GYRO: ("rad/s", "site"),
    _S.mjSENS_FORCE: ("N", "site"),
    _S.mjSENS_TORQUE: ("N m", "site"),
    _S.mjSENS_FRAMEPOS: ("m", "world"),
    _S.mjSENS_FRAMEQUAT: ("1", "world"),
    _S.mjSENS_FRAMEXAXIS: ("1", "world"),
    _S.mjSENS_FRAMEYAXIS: ("1", "world"),
    _S.mjSENS_FRAMEZAXIS: ("1", "world"),
    _S.mjSENS_FRAMELINVEL: ("m/s", "world"),
    _S.mjSENS_FRAMEANGVEL: ("rad/s", "world"),
    _S.mjSENS_SUBTREECOM: ("m", "world"),
    _S.mjSENS_SUBTREELINVEL: ("m/s", "world"),
    _S.mjSENS_SUBTREEANGMOM: ("kg m^2/s", "world"),
    _S.mjSENS_ACTUATORFRC: ("N or N m", "actuator"),
}


@dataclass(frozen=True, slots=True)
class FieldSource:
    """A field as a task declares it, before it is resolved against the model.

    Attributes:
      name: attribute name in reward programs.
      block: which of MuJoCo's arrays it is read from.
      objects: joint or sensor names, concatenated in this order.
      meaning: one phrase; names the components in order.
      unit: overrides the unit that the model implies.
      frame: overrides the frame that the model implies.
      components: keeps only these entries of the concatenation, or all if empty.
    """

    name: str
    block: Block
    objects: tuple[str, ...]
    meaning: str
    unit: str = ""
    frame: str = ""
    components: tuple[int, ...] = ()


def joint_positions(
    name: str,
    *joints: str,
    meaning: str,
    unit: str = "",
    frame: str = "",
    components: tuple[int, ...] = (),
) -> FieldSource:
    """Declare a field read from the positions of named joints, concatenated.

    A free joint gives 7 numbers: x, y, z and a unit quaternion w, x, y, z.
    """
    return FieldSource(name, "qpos", joints, meaning, unit, frame, components)


def joint_velocities(
    name: str,
    *joints: str,
    meaning: str,
    unit: str = "",
    frame: str = "",
    components: tuple[int, ...] = (),
) -> FieldSource:
    """Declare a field read from the velocities of named joints, concatenated.

    A free joint gives 6 numbers: linear in the world frame, angular in the body's.
    """
    return FieldSource(name, "qvel", joints, meaning, unit, frame, components)


def sensors(
    name: str,
    *names: str,
    meaning: str,
    unit: str = "",
    frame: str = "",
    components: tuple[int, ...] = (),
) -> FieldSource:
    """Declare a field read from named sensors, concatenated; ``components`` keeps some entries."""
    return FieldSource(name, "sensordata", names, meaning, unit, frame, components)


@dataclass(frozen=True, slots=True)
class FieldLayout:
    """The state vector: which entries of which MuJoCo array it is made of.

    Attributes:
      fields: the fields in order; their sizes add up to S.
      pieces: (block, columns of the state vector, entries of the MuJoCo array), the longest
        runs that can be copied as slices; this is several times faster than fancy indexing.
    """

    fields: tuple[Field, ...]
    pieces: tuple[tuple[Block, slice, slice], ...]

    @property
    def size(self) -> int:
        """S, the length of the state vector."""
        return sum(field.size for field in self.fields)

    def read(self, arrays: Mapping[Block, np.ndarray], out: np.ndarray) -> np.ndarray:
        """Gather the state vectors of a batch.

        Args:
          arrays: block name to (n, ...) array.
          out: (n, S), written in place.

        Returns:
          ``out``.
        """
        for block, columns, entries in self.pieces:
            out[:, columns] = arrays[block][:, entries]
        return out


def resolve(model: mujoco.MjModel, sources: Sequence[FieldSource] | None) -> FieldLayout:
    """Resolve declared fields against a compiled model.

    Args:
      model: the compiled model.
      sources: the declared fields; ``None`` declares one field for every named joint and sensor.

    Returns:
      The layout. Every task's last field is ``last_action``, the action of the step before, (A,).

    Raises:
      TaskError: a joint or sensor is unknown, or a field's name cannot be used.
    """
    declared = tuple(sources) if sources is not None else _everything(model)
    if not declared:
        raise TaskError("the task has no fields: name the joints or sensors a reward may read.")
    home = _home_arrays(model)
    fields: list[Field] = []
    entries: list[tuple[Block, int]] = []
    for source in declared:
        check_name(source.name, fields)
        indices, unit, frame = locate(model, source)
        values = tuple(home[source.block][indices].tolist())
        shape = () if len(indices) == 1 else (len(indices),)
        fields.append(Field(source.name, shape, unit, frame, source.meaning, values))
        entries.extend((source.block, index) for index in indices)
    fields.append(last_action(model.nu))
    entries.extend(("last_action", index) for index in range(model.nu))
    return FieldLayout(tuple(fields), _pieces(entries))


def last_action(size: int) -> Field:
    """Return the built-in field of the action before, for ``size`` actions."""
    return Field(
        name=LAST_ACTION,
        shape=(size,),
        unit="1",
        frame="actuator",
        meaning="action applied in the step before, in [-1, 1]; zero after a reset",
        home=(0.0,) * size,
    )


def check_name(name: str, fields: Sequence[Field]) -> None:
    """Raise ``TaskError`` unless ``name`` can be a field's, beside the fields before it."""
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        raise TaskError(f"field {name!r} is not a usable name: use letters, digits, _.")
    if name == LAST_ACTION or any(field.name == name for field in fields):
        raise TaskError(f"field {name!r} is declared twice (last_action is built in).")


def _pieces(entries: Sequence[tuple[Block, int]]) -> tuple[tuple[Block, slice, slice], ...]:
    """Merge the entries of the state vector, in order, into runs of adjacent ones."""
    pieces: list[tuple[Block, slice, slice]] = []
    for column, (block, index) in enumerate(entries):
        if pieces and pieces[-1][0] == block and pieces[-1][2].stop == index:
            _, columns, run = pieces.pop()
            pieces.append((block, slice(columns.start, column + 1), slice(run.start, index + 1)))
        else:
            pieces.append((block, slice(column, column + 1), slice(index, index + 1)))
    return tuple(pieces)


def _everything(model: mujoco.MjModel) -> tuple[FieldSource, ...]:
    """Declare a field for every named joint and sensor of a model."""
    found: list[FieldSource] = []
    for i in range(model.njnt):
        name = model.joint(i).name
        if name:
            found.append(joint_positions(f"{name}_position", name, meaning=f"position of {name}"))
            found.append(joint_velocities(f"{name}_velocity", name, meaning=f"velocity of {name}"))
    for i in range(model.nsensor):
        name = model.sensor(i).name
        if name:
            kind = _S(model.sensor_type[i]).name.removeprefix("mjSENS_").lower()
            found.append(sensors(name, name, meaning=f"{kind} sensor"))
    return tuple(found)


def _home_arrays(model: mujoco.MjModel) -> dict[Block, np.ndarray]:
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return {
        "qpos": data.qpos.copy(),
        "qvel": data.qvel.copy(),
        "sensordata": data.sensordata.copy(),
        "last_action": np.zeros(model.nu),
    }


def locate(model: mujoco.MjModel, source: FieldSource) -> tuple[list[int], str, str]:
    """Return the indices into the source's block, the unit and the frame."""
    indices: list[int] = []
    units: set[str] = set()
    frames: set[str] = set()
    for name in source.objects:
        if source.block == "sensordata":
            found, unit, frame = _locate_sensor(model, name, source.name)
        else:
            found, unit, frame = _locate_joint(model, name, source)
        indices.extend(found)
        units.add(unit)
        frames.add(frame)
    if source.components:
        if max(source.components) >= len(indices):
            raise TaskError(
                f"field {source.name!r} keeps component {max(source.components)}, "
                f"but its sensors give only {len(indices)} numbers."
            )
        indices = [indices[c] for c in source.components]
    return (
        indices,
        source.unit or " and ".join(sorted(units)),
        source.frame or "/".join(sorted(frames)),
    )


def _locate_joint(
    model: mujoco.MjModel, name: str, source: FieldSource
) -> tuple[list[int], str, str]:
    known = [model.joint(i).name for i in range(model.njnt)]
    if name not in known:
        raise TaskError(
            f"field {source.name!r} reads joint {name!r}, which the model has not."
            f"{did_you_mean(name, known)} Joints: {', '.join(filter(None, known))}."
        )
    joint = model.joint(name)
    kind = mujoco.mjtJoint(joint.type[0])
    positions, velocities, units = {
        mujoco.mjtJoint.mjJNT_FREE: (7, 6, ("m and 1", "m/s and rad/s")),
        mujoco.mjtJoint.mjJNT_BALL: (4, 3, ("1", "rad/s")),
        mujoco.mjtJoint.mjJNT_SLIDE: (1, 1, ("m", "m/s")),
        mujoco.mjtJoint.mjJNT_HINGE: (1, 1, ("rad", "rad/s")),
    }[kind]
    frame = "world" if kind == mujoco.mjtJoint.mjJNT_FREE else "joint"
    if source.block == "qpos":
        start, count, unit = int(joint.qposadr[0]), positions, units[0]
    else:
        start, count, unit = int(joint.dofadr[0]), velocities, units[1]
    return list(range(start, start + count)), unit, frame


def _locate_sensor(model: mujoco.MjModel, name: str, field: str) -> tuple[list[int], str, str]:
    known = [model.sensor(i).name for i in range(model.nsensor)]
    if name not in known:
        raise TaskError(
            f"field {field!r} reads sensor {name!r}, which the model has not."
            f"{did_you_mean(name, known)} Sensors: {', '.join(filter(None, known)) or 'none'}."
        )
    sensor = model.sensor(name)
    unit, frame = _SENSOR_UNITS.get(int(sensor.type[0]), ("1", "sensor"))
    reference = int(sensor.refid[0])
    if reference >= 0:
        frame = mujoco.mj_id2name(model, int(sensor.reftype[0]), reference) or frame
    start, count = int(sensor.adr[0]), int(sensor.dim[0])
    return list(range(start, start + count)), unit, frame
