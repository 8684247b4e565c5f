import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Machine } from '../../scenarios/machine.ts';

/** Work that ends when it is told to. */
function job(log: string[], name: string) {
  let end = (): void => {};
  const over = new Promise<void>((resolve) => {
    end = resolve;
  });
  const work = async (): Promise<string> => {
    log.push(`${name} begins`);
    await over;
    log.push(`${name} ends`);
    return name;
  };
  return { work, end };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a machine', () => {
  it('lets many work beside each other, and one alone, in the order in which they came', async () => {
    const machine = new Machine();
    const log: string[] = [];
    const [a, b, herd, c] = ['a', 'b', 'herd', 'c'].map((name) => job(log, name));
    const done = [
      machine.beside(a!.work),
      machine.beside(b!.work),
      machine.alone(herd!.work),
      machine.beside(c!.work),
    ];
    await turn();
    assert.deepEqual(log, ['a begins', 'b begins']);
    b!.end();
    await turn();
    assert.deepEqual(log.slice(2), ['b ends'], 'c does not overtake the herd');
    a!.end();
    await turn();
    assert.deepEqual(log.slice(3), ['a ends', 'herd begins']);
    herd!.end();
    c!.end();
    assert.deepEqual(await Promise.all(done), ['a', 'b', 'herd', 'c']);
    assert.deepEqual(log.slice(5), ['herd ends', 'c begins', 'c ends']);
  });

  it('is free again when work fails', async () => {
    const machine = new Machine();
    await assert.rejects(
      machine.alone(() => Promise.reject(new Error('it failed'))),
      /it failed/,
    );
    assert.equal(await machine.beside(async () => 'next'), 'next');
  });

  it('never has anybody beside one that is alone', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.boolean(), fc.nat(3)), { maxLength: 30 }), async (jobs) => {
        const machine = new Machine();
        let alone = 0;
        let beside = 0;
        await Promise.all(
          jobs.map(([isAlone, turns]) =>
            machine[isAlone ? 'alone' : 'beside'](async () => {
              if (isAlone) alone++;
              else beside++;
              assert.ok(alone === 0 || (alone === 1 && beside === 0), `${alone} alone, ${beside} beside`);
              for (let n = 0; n < turns; n++) await turn();
              if (isAlone) alone--;
              else beside--;
            }),
          ),
        );
        assert.deepEqual([alone, beside], [0, 0]);
      }),
      { numRuns: 50 },
    );
  });
});
