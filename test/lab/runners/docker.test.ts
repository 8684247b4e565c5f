import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { LabError } from '../../../lab/errors.ts';
import { findDocker, standinsOf, usedSubnets } from '../../../lab/runners/docker.ts';
import { COMPOSE_1, COMPOSE_2, ENGINE, FakeDocker } from './fake-docker.ts';

async function refusal(): Promise<string> {
  const error = await findDocker().then(
    ({ compose }) => assert.fail(`it found ${compose.join(' ')}`),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof LabError);
  assert.equal(error.code, 'lab.program');
  return error.message;
}

describe('Docker and its Compose', () => {
  let fake: FakeDocker;
  before(() => {
    fake = new FakeDocker();
  });
  after(() => fake.end());

  test('Compose 2 is a command of docker, and is taken first', async () => {
    fake.answer({ ...COMPOSE_2, 'docker-compose version': '1.29.2' });
    const found = await findDocker();
    assert.deepEqual(found, { engine: '20.10.24', compose: ['docker', 'compose'], composeVersion: '2.40.3' });
    assert.ok(!fake.asked.some((line) => line.startsWith('docker-compose')));
  });

  test('Compose 1.29 is a program of its own', async () => {
    fake.answer(COMPOSE_1);
    const found = await findDocker();
    assert.deepEqual(found, { engine: '20.10.24', compose: ['docker-compose'], composeVersion: '1.29.2' });
  });

  test('an older Compose is named, as is that there is none', async () => {
    fake.answer({ ...COMPOSE_1, 'docker-compose version': '1.27.4' });
    assert.match(await refusal(), /1\.29 or later is needed; there is docker-compose 1\.27\.4$/);
    const none = { code: 1, says: 'no such command' };
    fake.answer({ ...ENGINE, 'docker compose': none, 'docker-compose': none });
    assert.match(await refusal(), /1\.29 or later is needed; there is none$/);
  });

  test('an engine that does not answer is told in its own words, without what was asked', async () => {
    const says =
      'Client:\n Version: 28.2.2\nCannot connect to the Docker daemon at unix:///var/run/docker.sock.';
    fake.answer({ 'docker info': { code: 1, says } });
    assert.match(await refusal(), /no Docker engine answers: Cannot connect to the Docker daemon/);
    // The client of an engine that is not there may answer all the same, with nothing.
    fake.answer({ 'docker info': '' });
    assert.match(await refusal(), /no Docker engine answers$/);
  });

  test('images that are not what their name says are told by their label', async () => {
    fake.answer({
      'docker image inspect --format {{index .Config.Labels "liveproof.standin"}} redis:7': 'true',
      'docker image inspect --format {{index .Config.Labels "liveproof.standin"}} nginx:1': '<no value>',
      'docker image inspect': { code: 1, says: 'Error: No such image' },
    });
    assert.deepEqual(await standinsOf(['redis:7', 'nginx:1', 'absent:1', 'redis:7']), ['redis:7']);
    assert.equal(fake.asked.length, 3);
  });

  test('subnets are those of all networks', async () => {
    fake.answer({
      'docker network ls': 'aaa\nbbb',
      'docker network inspect': '172.17.0.0/16 \n\n198.19.64.0/20 fd00::/64 ',
    });
    assert.deepEqual(await usedSubnets(), ['172.17.0.0/16', '198.19.64.0/20', 'fd00::/64']);
    assert.ok(fake.asked.at(-1)!.endsWith(' aaa bbb'));
    fake.answer({ 'docker network ls': '' });
    assert.deepEqual(await usedSubnets(), []);
  });
});

test('without docker it is said that it is not installed', async () => {
  const nothing = new FakeDocker([]).alone();
  try {
    assert.match(await refusal(), /no Docker engine answers: docker is not installed$/);
  } finally {
    nothing.end();
  }
});
