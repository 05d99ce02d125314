import assert from 'node:assert/strict';
import { OptionsError } from '../../src/errors.ts';
import { schedule, type ScheduleOptions } from '../../src/train/schedule.ts';

const at = (options: ScheduleOptions, share: number) => schedule(options)({ share, step: 0, seconds: 0 });
const near = (got: number, wanted: number) => assert.ok(Math.abs(got - wanted) < 1e-12, `${got} is not ${wanted}`);

describe('schedule', () => {
  it('is constant for a number', () => near(at(0.1, 0.7), 0.1));

  it('divides by five at 40 and 80 %, as in the paper', () => {
    const options = { kind: 'steps', rate: 0.1 } as const;
    [
      [0, 0.1],
      [0.39, 0.1],
      [0.4, 0.02],
      [0.8, 0.004],
      [1, 0.004],
    ].forEach(([share, rate]) => near(at(options, share!), rate!));
  });

  it('falls along a half cosine', () => {
    const options = { kind: 'cosine', rate: 2, floor: 0.1 } as const;
    near(at(options, 0), 2);
    near(at(options, 0.5), 1.1);
    near(at(options, 1), 0.2);
  });

  it('falls linearly to zero', () => {
    near(at({ kind: 'linear', rate: 2 }, 0.25), 1.5);
    near(at({ kind: 'linear', rate: 2 }, 1), 0);
  });

  it('warms up, and spends the rest of the budget on the schedule', () => {
    const options = { kind: 'linear', rate: 1, warmUp: 0.2 } as const;
    near(at(options, 0.1), 0.5);
    near(at(options, 0.2), 1);
    near(at(options, 0.6), 0.5);
    assert.ok(at(options, 0) > 0, 'the first step moves');
  });

  it('takes a function as it is', () =>
    near(
      at(({ share }) => 1 - share, 0.25),
      0.75,
    ));

  it('refuses rates and shares out of range, and misspelt keys', () => {
    for (const bad of [
      0,
      -1,
      { kind: 'cosine', rate: 1, warmUp: 1 },
      { kind: 'steps', rate: 1, at: [2] },
      { kind: 'cosin', rate: 1 },
      { kind: 'linear', rate: 1, flor: 0 },
    ])
      assert.throws(() => schedule(bad as ScheduleOptions), OptionsError);
  });
});
