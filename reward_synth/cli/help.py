"""The text of ``--help``. Defaults are read from the settings, presets from conf/."""

from __future__ import annotations

from reward_synth.cli.presets import presets
from reward_synth.search.config import RunConfig

MAIN_HELP = """\
reward-synth: language models write reward functions for robots, and training decides
which are good.

  reward-synth run task=hopper        write, train, compare and improve rewards for a task
  reward-synth run resume=<folder>    continue a run that was stopped
  reward-synth report <folder>        write the page of a run anew, also while it goes on
  reward-synth label <folder>         say which policies of a run do the task better
  reward-synth tasks                  list the tasks that come along
  reward-synth check <folder>         check a task of your own
  reward-synth compare <reward> <reward>
                                      how far two rewards are from each other
  reward-synth export-reward <candidate> --to torch
                                      write a reward as a PyTorch file, for Isaac Gym or Lab
  reward-synth export <run>           write a trained policy as a bundle for a robot
  reward-synth verify <bundle>        check that a bundle is whole and does what it says
  reward-synth stress <folder>        how a policy does as the world departs from the model
  reward-synth robustify <run>        train a run's winner in worlds that differ, and compare

  reward-synth run --help             settings, presets and examples
  reward-synth --version

Without a language model it proposes offline, so the first line works as it is."""

REPORT_HELP = """\
reward-synth report <folder>: write report.html into a run's folder, from what is in it.

A run does that when it ends. Use this to look at one that goes on, or after an update."""

LABEL_HELP = """\
reward-synth label <folder>: say which of a run's policies do the task better, in a web page.

Several people may, at once, also while the run goes on or waits for them. Everybody has a queue
of their own; whoever comes back under the same name goes on where they left.

Options:
  --who <name>      the name that answers are kept under; the page asks for it
  --host 127.0.0.1  the address to listen on. On any but this machine's own, the printed address
                    holds a token, and nobody comes in without
  --port 8765       the port; 0 for any that is free
  --terminal        no page: prints where the videos are and reads answers
  --export <file>   write all annotations of the run as JSON lines, and stop
  --import <file>   take in what --export wrote, all or nothing, and stop

The page needs the label extra: pip install 'reward-synth[label]'. docs/people.md says more."""

TASKS_HELP = """\
reward-synth tasks: list the tasks that come along, with what a reward may read in each."""

CHECK_HELP = """\
reward-synth check <folder>: check a task of your own.

Loads the folder, runs short episodes of random actions, and says what is wrong in words.
Exits with 0 if nothing is. A bundled task's name does as well as a folder."""

COMPARE_HELP = """\
reward-synth compare <reward> <reward> [task=<name>]: how far two rewards are from each other,
without training on them.

<reward> is one of
  outputs/.../gen_00/cand_03     a candidate of a run, or its reward.py
  my_reward.py                   a reward program
  expert, sparse                 the task's published reward; one for every step of success

Settings:
  task=<name or folder>   whose rewards they are; a candidate's run says it
  seed=0                  of everything random
  transitions=4096        steps they are compared on, 64 to 65,536: of random actions, and half
                          of them of the run's trained policies, if there are any

Prints whether the programs are the same but for how they are written, and three distances that
do not see potential shaping: EPIC, DARD and STARC, each with a 95% interval."""

EXPORT_HELP = """\
reward-synth export-reward <reward> --to torch: write a reward as one file that needs only
PyTorch, for Isaac Gym, Isaac Lab or any simulator with batched tensors.

<reward> is one of
  outputs/.../gen_00/cand_03     a candidate of a run
  my_reward.py --task ant        a reward program, for a bundled task or a task's folder
  expert:ant                     the published reward of a task

Options:
  --output <file>   where to; without it, a name in this directory that is printed last

The file's docstring says which fields it reads, with shape, unit and frame; docs/isaac.md
shows where Isaac has them. A file that exists is never written over."""

EXPORT_POLICY_HELP = """\
reward-synth export <run or candidate>: write a trained policy as a bundle for a robot.

<run or candidate> is one of
  outputs/hopper/<run>                  the winner: of the trainings of its final comparison,
                                        the one of median fitness
  outputs/hopper/<run>/gen_00/cand_03   what a candidate's training in the search gave

Options:
  --output <folder>   where to; without it, deploy/ in the folder named
  --joints <names>    the robot's names of its joints in its order, each with the simulation's:
                      FR_hip=hip_1,FL_hip=hip_2; without it, those of the simulation

The bundle holds policy.onnx, deploy.json (joints, gains, limits, what is observed, golden
pairs), the simulation that it is verified in, and a card. It is verified at once. Needs the
deploy extra: pip install 'reward-synth[deploy]'. docs/deploy.md says how to run it."""

VERIFY_HELP = """\
reward-synth verify <bundle>: check that a bundle is whole and does what it says.

From its files alone, without JAX: the schema of deploy.json, the hash of every file, the
networks, the robot's description against its model, golden pairs, episodes in MuJoCo against
the trainer's, and how long a step takes.

Exits with 0 if the bundle is sound, with 1 if it is not, with 2 for a mistake in the command."""

STRESS_HELP = """\
reward-synth stress <folder> [episodes=20]: how a policy does as the world departs from the model.

<folder> is one of
  outputs/hopper/<run>               the winner's median training of the final comparison
  outputs/hopper/<run>/gen_00/cand_03
                                     a candidate that was trained to the end
  a bundle                           the policy that it holds; needs the deploy extra

Settings:
  episodes=20   in each world, with the same initial states in all
  seed=0        of the episodes
  threads=0     physics threads, 0 for all cores; results do not depend on it

Masses, friction, actuator gain, delay, observation noise and pushes, one at a time. Writes
stress.json and stress.svg beside the policy, and names the worst case."""

ROBUSTIFY_HELP = """\
reward-synth robustify <run> [name=value ...]: train a run's winner in worlds that differ, and
compare it with the winner trained in the model as it is, both under the same perturbations.

How far the winner goes before it fails is measured first; a language model, or without one a
rule, chooses between which bounds worlds differ; both policies are trained from scratch with
fresh seeds. A command that was stopped goes on when it is given again.

Settings:
  trainings=4   of each of the two, from scratch
  episodes=20   in each world
  steps=<n>     environment steps of each training; the run's own number by default

All of it is in <run>/robust/; what it takes is in the run's ledger."""

_COMMAND_HELP = {
    "report": REPORT_HELP,
    "label": LABEL_HELP,
    "tasks": TASKS_HELP,
    "check": CHECK_HELP,
    "compare": COMPARE_HELP,
    "export-reward": EXPORT_HELP,
    "export": EXPORT_POLICY_HELP,
    "verify": VERIFY_HELP,
    "stress": STRESS_HELP,
    "robustify": ROBUSTIFY_HELP,
}

_SETTINGS = (
    ("task", "a bundled task, or the path of a folder with task.py and task.md"),
    ("seed", "of everything random"),
    ("threads", "physics threads, 0 for all cores; results do not depend on it"),
    ("trainer", "jax, or sb3 for Stable-Baselines3's PPO, which needs its extra"),
    ("backend", "cpu, or mjx to train on a GPU; see also train=gpu"),
    ("randomise.mass", "[low, high] of what trainings differ in; randomise=mild sets all six"),
    ("sandbox", "auto uses the layers this machine has, strict demands all"),
    ("llm.model", "the model's name; null for the preset's"),
    ("llm.models", "several in its place, as [one,two]; the better for its price writes more"),
    ("llm.base_url", "the server; null for the preset's"),
    ("search.generations", "rounds of writing, training and learning from it"),
    ("search.candidates", "reward programs in each round"),
    ("search.rungs", "shares of its training after which a round is cut; [] for no race"),
    ("search.reruns", "leaders trained again, with fresh seeds, after each round"),
    ("search.steps", "environment steps each trains for; null for the task's number"),
    (
        "train.transform",
        "how a reward's terms are composed: none, par, carl or caps",
    ),
    ("looks.model", "a CLIP or SigLIP that scores pictures; null for none"),
    ("looks.goal", "what pictures should show, where looks.model scores them"),
    ("final.trainings", "from scratch for the comparison at the end, 0 for none"),
    ("budget.dollars", "limit for language models"),
    ("budget.seconds", "limit of wall-clock time"),
    ("budget.env_steps", "limit of environment steps"),
    ("video.enabled", "whether rollouts are filmed"),
)

_RUN = """\
reward-synth run: write, train, compare and improve reward functions for one task.

Usage: reward-synth run [name=value ...] [options]
       reward-synth run resume=<folder>

Settings most used, with their defaults:
{settings}

Presets, written <group>=<name>; the first listed is the default:
{presets}

Options:
  -m, --multirun       run every combination of settings that name several values
  --cfg job            print all settings as they would be used, and stop
  --config-dir <dir>   find presets of your own in <dir>/<group>/<name>.yaml
  --hydra-help         hydra's own options

Examples:
  reward-synth run                                     hopper, offline or with OpenAI
  reward-synth run task=ant llm=ollama llm.model=qwen3-coder
  reward-synth run search=smoke video.enabled=false    does everything work?
  reward-synth run task=path/to/my_robot llm=openai budget.dollars=2
  reward-synth run backend=mjx train=gpu search.steps=3000000
  reward-synth run --multirun task=hopper,ant seed=0,1,2

Everything is written to outputs/<task>/<time>-<id>/, whose path is the last line printed."""


_DEFAULT_PRESETS = ("auto", "default", "none")


def command_help(command: str) -> str:
    """Return what a command takes and does."""
    return run_help() if command == "run" else _COMMAND_HELP[command]


def run_help() -> str:
    """Return the help of ``reward-synth run``."""
    config = RunConfig()
    width = max(len(name) + len(_default(config, name)) for name, _ in _SETTINGS) + 1
    settings = [
        f"  {f'{name}={_default(config, name)}':<{width}}  {meaning}" for name, meaning in _SETTINGS
    ]
    groups = []
    for group, choices in presets().items():
        ordered = sorted(choices, key=lambda name: name not in _DEFAULT_PRESETS)
        groups += [f"  {f'{group}={name}':<{width}}  {choices[name]}" for name in ordered]
    return _RUN.format(settings="\n".join(settings), presets="\n".join(groups))


def _default(config: RunConfig, name: str) -> str:
    value: object = config
    for part in name.split("."):
        value = getattr(value, part)
    if isinstance(value, tuple):
        return f"[{','.join(map(str, value))}]"
    return (
        str(value).lower() if isinstance(value, bool) else str("null" if value is None else value)
    )
