import assert from 'node:assert/strict';
import { FleetOptions, publicationEvery } from '../../src/cluster/cluster-options.ts';

describe('publicationEvery', () => {
  const every = (options: object) => publicationEvery(FleetOptions.parse({ url: 'nats://127.0.0.1:4222', ...options }));

  it('is ten steps, or half of an age limit that is lower than twenty, unless it is told', () => {
    assert.deepEqual(
      [{}, { ageLimit: 50 }, { ageLimit: 8 }, { ageLimit: 1 }, { ageLimit: 8, parametersEvery: 6 }].map(every),
      [10, 10, 4, 1, 6],
    );
  });
});
