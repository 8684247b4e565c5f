import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { jobsOption, Pieces } from '../../cli/jobs.ts';

describe('what runs side by side tell', () => {
  it('comes in one piece each: of one run at once, of the others when its turn has come', () => {
    const said: string[] = [];
    const pieces = new Pieces<string>((line) => said.push(line));
    for (const run of ['a', 'b', 'c']) pieces.begin(run);
    pieces.tell('b', 'b 1');
    pieces.tell('a', 'a 1');
    pieces.tell('c', 'c 1');
    assert.deepEqual(said, ['a 1']);
    pieces.tell('c', 'c 2');
    pieces.end('c');
    assert.deepEqual(said, ['a 1'], 'a goes on');
    pieces.tell('a', 'a 2');
    pieces.end('a');
    assert.deepEqual(said.slice(1), ['a 2', 'c 1', 'c 2', 'b 1']);
    pieces.tell('b', 'b 2');
    pieces.begin('d');
    pieces.tell('d', 'd 1');
    pieces.end('b');
    assert.deepEqual(said.slice(5), ['b 2', 'd 1']);
    pieces.end('d');
    pieces.begin('e');
    pieces.tell('e', 'e 1');
    assert.equal(said.at(-1), 'e 1');
  });

  it('of no run is told at once', () => {
    const said: string[] = [];
    const pieces = new Pieces<string | undefined>((line) => said.push(line));
    pieces.begin('a');
    pieces.tell(undefined, 'a note');
    assert.deepEqual(said, ['a note']);
  });
});

describe('--jobs', () => {
  it('is a whole number, and at least one', () => {
    const parse = jobsOption('clusters', 2).parseArg!;
    assert.equal(parse('3', undefined), 3);
    for (const text of ['0', '-1', '1.5', 'many', '17'])
      assert.throws(() => parse(text, undefined), /whole number/);
  });
});
