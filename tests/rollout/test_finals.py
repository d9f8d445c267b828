import numpy as np

from reward_synth.rollout.finals import final_trainings


def train(run, place: str, fitness: float | None) -> None:
    """Leave what a final training leaves; one that failed has no policy."""
    folder = run / "final" / place
    folder.mkdir(parents=True)
    if fitness is not None:
        (folder / "policy.npz").write_bytes(b"")
        np.savez(folder / "rollout.npz", fitness=np.full((10, 4), fitness / 10))


def test_order_is_of_fitness_and_leaves_out_what_failed(tmp_path):
    for seed, fitness in enumerate([None, 3.0, np.nan, 1.0, 2.0]):
        train(tmp_path, f"found/seed_{seed}", fitness)
    train(tmp_path, "sparse/seed_0", 9.0)
    names = [folder.name for folder in final_trainings(tmp_path)]
    assert names == ["seed_2", "seed_3", "seed_4", "seed_1"]
    assert final_trainings(tmp_path, "sparse") == [tmp_path / "final" / "sparse" / "seed_0"]
    assert final_trainings(tmp_path, "expert") == []
