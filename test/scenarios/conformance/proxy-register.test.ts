import assert from 'node:assert/strict';
import { test } from 'node:test';
import { registration } from '../../../scenarios/conformance/proxy-register.ts';
import type { StepData } from '../../../scenarios/history.ts';
import { asked } from './proxy-story.ts';
import { judgeWith, Timeline } from './timeline.ts';

const WRONG = [
  ...['ip', 'server', 'service', 'pid', 'rtmp'].map((field) => `no-${field}`),
  ...['ip-is-no-address', 'rtmp-empty', 'rtmp-is-text'],
  ...['endpoint-no-port', 'endpoint-port-0', 'endpoint-port-65536', 'endpoint-half'],
  ...['not-json', 'a-list', 'nothing', 'too-long', 'get'],
];
const FORMS = ['port', 'protocol-any', 'protocol-zero', 'protocol-ip'];
const RIGHT = ['mandatory-only', ...FORMS];

interface Course {
  /** Registrations that are answered otherwise than they should be, by name; null for one that was not made. */
  readonly answers?: Readonly<Record<string, StepData | null>>;
  /** Forms whose origin is not reached; null for one that was not tried. */
  readonly reached?: Readonly<Record<string, boolean | null>>;
  /** Requests that came to the origin whose registrations were refused; null: nobody counted. */
  readonly came?: number | null;
  /** Requests of 80 that were made, and that were answered. */
  readonly made?: number;
  readonly answered?: number;
}

function verdict({ answers = {}, reached = {}, came = 0, made = 80, answered = 80 }: Course = {}): string {
  const timeline = new Timeline();
  const answer = (name: string, want: string, well: StepData) => {
    const other = answers[name];
    if (other !== null) timeline.step(10, 'register.answer', { name, want, error: null, ...well, ...other });
  };
  for (const name of WRONG) answer(name, 'refused', { status: 400, accepted: false });
  for (let i = 0; i < made; i++) asked(timeline, 20, 'seeks-unwanted', { status: i < answered ? 404 : 0 });
  if (came !== null) timeline.step(30, 'register.refused', { asked: 80, came });
  for (const name of RIGHT) answer(name, 'accepted', { status: 200, accepted: true });
  for (const form of FORMS) {
    if (reached[form] === null) continue;
    timeline.step(40, 'register.reach', { form, reached: reached[form] ?? true, asked: 3 });
  }
  return judgeWith([registration], 'proxy/register', timeline).verdict;
}

test('what is wrong is refused, what is right is taken and reached', () => assert.equal(verdict(), 'pass'));

test('each wrong registration that is taken, failed or not answered', () => {
  for (const name of WRONG) {
    assert.equal(verdict({ answers: { [name]: { status: 200, accepted: true } } }), 'fail', name);
    assert.equal(verdict({ answers: { [name]: { status: 500 } } }), 'fail', name);
    assert.equal(verdict({ answers: { [name]: { status: 0, error: 'http.timeout' } } }), 'fail', name);
  }
});

test('only of one that is too long the connection may be ended', () => {
  for (const name of WRONG) {
    const ended = verdict({ answers: { [name]: { status: 0, error: 'http.ECONNRESET' } } });
    assert.equal(ended, name === 'too-long' ? 'pass' : 'fail', name);
  }
});

test('each right one that is refused, or whose origin is not reached', () => {
  for (const name of RIGHT)
    assert.equal(verdict({ answers: { [name]: { status: 400, accepted: false } } }), 'fail', name);
  for (const form of FORMS) assert.equal(verdict({ reached: { [form]: false } }), 'fail', form);
});

test('an origin that was refused gets a request, or nobody counted', () => {
  assert.equal(verdict({ came: 1 }), 'fail');
  assert.equal(verdict({ came: null }), 'inconclusive');
});

test('what was not tried, or not answered, is not a pass', () => {
  assert.equal(judgeWith([registration], 'proxy/register', new Timeline()).verdict, 'inconclusive');
  for (const name of [...WRONG, ...RIGHT])
    assert.equal(verdict({ answers: { [name]: null } }), 'inconclusive', name);
  for (const form of FORMS) assert.equal(verdict({ reached: { [form]: null } }), 'inconclusive', form);
  assert.equal(verdict({ answered: 39 }), 'inconclusive');
  assert.equal(verdict({ made: 0 }), 'inconclusive');
  assert.equal(verdict({ answered: 40 }), 'pass');
});
