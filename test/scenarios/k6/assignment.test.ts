import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assignmentOf } from '../../../scenarios/k6/parts/assignment.ts';

/** As k6 deals them out to runners of equal parts: every R-th number of the test. */
function viewersOf(runner: number, runners: number, viewers: number) {
  return Array.from({ length: viewers / runners }, (_, index) => ({
    idInTest: 1 + runner + index * runners,
    idInInstance: 1 + index,
  }));
}

for (const runners of [1, 2, 3, 4]) {
  test(`of each URL one viewer in N is looked into, on each of ${runners} runners`, () => {
    for (const urls of [['a'], ['a', 'b'], ['a', 'b', 'c'], ['a', 'b', 'c', 'd']]) {
      for (const inspectEvery of [1, 2, 3, 4, 20]) {
        // Whole rounds, so that shares are exact.
        const viewers = runners * urls.length * inspectEvery * 2;
        const watched = new Set<string>();
        for (let runner = 0; runner < runners; runner++) {
          const roles = viewersOf(runner, runners, viewers).map((user) =>
            assignmentOf(user, urls, inspectEvery),
          );
          for (const url of new Set(roles.map((role) => role.url))) {
            watched.add(url);
            const ofUrl = roles.filter((role) => role.url === url);
            const share = ofUrl.filter(({ inspect }) => inspect).length / ofUrl.length;
            assert.equal(share, 1 / inspectEvery, `${url} of ${urls}, one in ${inspectEvery}`);
          }
        }
        assert.deepEqual([...watched].sort(), urls);
      }
    }
  });
}
