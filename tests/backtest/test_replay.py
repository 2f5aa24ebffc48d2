"""Replaying the past: no model sees what came after, and a blend is the mean of its members."""

from dataclasses import replace

import numpy as np
from toy_panels import panel_of, random_sales

from windvane.backtest.folds import folds
from windvane.backtest.metrics import Losses
from windvane.backtest.run import Replay
from windvane.models import registry

HORIZON = 7
NAMES = ("moving_average", "tsb", "structured", "boosted", "planned_chained", "blend")


def replay(panel, plan=None, names=NAMES):
    plan = plan or folds(panel, HORIZON, 2, 2)
    return plan, list(Replay(panel, [registry.model(name) for name in names], HORIZON, seed=3).run(plan))


def with_views(sales):
    views = np.where(np.isnan(sales), 0, sales) * 3 + 1
    return replace(panel_of(sales), past={"views": views.astype(np.float32)})


def test_earlier_folds_do_not_change_when_the_future_does():
    sales = random_sales()
    plan, before = replay(with_views(sales))
    assert [fold.use for fold in plan] == ["choose", "choose", "report", "report"]
    for cut in (1, 2):
        other = sales.copy()
        rng = np.random.default_rng(8)
        end = plan[cut].cutoff
        other[:, end + 1 :] = rng.poisson(40, other[:, end + 1 :].shape)
        _, after = replay(with_views(other), plan[: cut + 1])
        for number in range(cut + 1):
            assert before[number].segment.tolist() == after[number].segment.tolist()
            for name in NAMES:
                one, two = before[number].models[name], after[number].models[name]
                np.testing.assert_array_equal(one.mean, two.mean, err_msg=f"{name}, fold {number}")
                if number < cut:  # judged on periods that did not change
                    for part in Losses.__dataclass_fields__:
                        np.testing.assert_array_equal(getattr(one.losses, part), getattr(two.losses, part))
        changed = before[cut].models["tsb"].losses.quantile, after[cut].models["tsb"].losses.quantile
        assert not np.array_equal(*changed)


def test_a_blend_is_the_mean_of_its_members():
    _, results = replay(with_views(random_sales()))
    members = registry.point_model("blend").models()
    assert len(members) >= 2
    for result in results:
        expected = np.mean([result.models[name].mean for name in members], axis=0)
        # Each is corrected for its own past bias, the blend for that of the blend.
        np.testing.assert_allclose(result.models["blend"].mean, expected, rtol=0.01, atol=1e-6)


def test_a_blend_without_its_members_in_the_race_is_the_same():
    panel = with_views(random_sales(series=6))
    plan, among = replay(panel)
    _, alone = replay(panel, plan, ("blend",))
    for one, two in zip(among, alone, strict=True):
        np.testing.assert_allclose(one.models["blend"].mean, two.models["blend"].mean, rtol=1e-5, atol=1e-6)


def test_series_not_yet_launched_are_not_judged():
    sales = random_sales()
    sales[3, :110] = np.nan
    plan, results = replay(panel_of(sales), names=("moving_average",))
    assert plan[0].cutoff < 110 < plan[-1].cutoff
    for fold, result in zip(plan, results, strict=True):
        known = result.models["moving_average"].losses.known
        assert known[3].any() == (fold.cutoff >= 110)
        assert known[1].all()


def test_panels_are_asked_for_as_of_each_cutoff():
    panel = panel_of(random_sales(series=4))
    plan = folds(panel, HORIZON, 1, 1)
    asked = []

    def panel_at(date):
        asked.append(date)
        return panel.as_of(date)

    models = [registry.model("moving_average")]
    list(Replay(panel, models, HORIZON, 1, panel_at).run(plan))
    assert asked == [panel.dates[fold.cutoff] for fold in plan]
