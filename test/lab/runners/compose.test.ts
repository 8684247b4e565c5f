import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { parse } from 'yaml';
import { LabError } from '../../../lab/errors.ts';
import { ComposeProject, requireProfile, startCompose } from '../../../lab/runners/compose.ts';
import {
  composeDown,
  composeStatus,
  composeUp,
  readComposeLab,
  refuseWhileComposed,
  standinsIn,
} from '../../../lab/runners/compose-lab.ts';
import { TOPOLOGIES, topologyByName } from '../../../lab/topologies/index.ts';
import { startArgs } from '../../../runtime/entry.ts';
import { COMPOSE_1, COMPOSE_2, type FakeAnswers, FakeDocker } from './fake-docker.ts';

const PROJECT = 'test';
/** Both nodes of the cluster `nginx-rtmp`. */
const CONTAINERS: FakeAnswers = {
  'docker ps --all --quiet --no-trunc --filter label=com.docker.compose.project=test --filter label=com.docker.compose.service=nginx-rtmp-live':
    'aaa',
  'docker ps --all --quiet --no-trunc --filter label=com.docker.compose.project=test --filter label=com.docker.compose.service=nginx-rtmp-web':
    'bbb',
  'docker inspect --format {{.State.Pid}} aaa': '4711',
  'docker inspect --format {{.State.Pid}} bbb': '4712',
};

let fake: FakeDocker;
let runDir: string;
before(() => {
  fake = new FakeDocker();
});
after(() => fake.end());
beforeEach(() => {
  runDir = mkdtempSync(join(tmpdir(), 'liveproof-compose-'));
  fake.answer(COMPOSE_2);
});
afterEach(() => rmSync(runDir, { recursive: true }));

function prepare(topology = 'nginx-rtmp', more: { basePort?: number; direct?: boolean } = {}) {
  return ComposeProject.prepare({ topology: topologyByName(topology), runDir, project: PROJECT, ...more });
}

/** Brought up as far as Docker's part goes; nobody listens at its ports. */
async function broughtUp(answers: FakeAnswers = {}): Promise<ComposeProject> {
  const project = await prepare();
  fake.answer({ ...answers, ...CONTAINERS });
  await project.up();
  return project;
}

async function refusal(promise: Promise<unknown>): Promise<LabError> {
  const error = await promise.then(
    () => assert.fail('it did not reject'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof LabError, String(error));
  return error;
}

describe('what is written', () => {
  test('docker-compose.yml has the nodes of one cluster, and every file that they mount is there', async () => {
    await prepare('edge-cluster');
    const { services } = parse(readFileSync(join(runDir, 'docker-compose.yml'), 'utf8'), {
      merge: true,
      maxAliasCount: -1,
    }) as { services: Record<string, { profiles: string[]; volumes?: string[] }> };
    const nodes = Object.entries(services).filter(([, { profiles }]) => profiles.includes('edge'));
    assert.deepEqual(
      nodes.map(([name]) => name).sort(),
      topologyByName('edge-cluster')
        .nodes.map(({ name }) => `edge-${name}`)
        .sort(),
    );
    const mounts = Object.values(services).flatMap(({ volumes = [] }) =>
      volumes.filter((one) => one.startsWith('./')).map((one) => one.split(':', 1)[0]!),
    );
    assert.ok(mounts.length > 5);
    for (const mount of mounts) assert.ok(existsSync(join(runDir, mount)), mount);
  });

  test('a subnet that some network has is left to it', async () => {
    fake.answer({
      ...COMPOSE_2,
      'docker network ls': 'aaa',
      'docker network inspect': '198.19.64.0/20 172.17.0.0/16 198.19.85.0/24',
    });
    const { placement, cluster } = await prepare();
    assert.equal(placement.octet, 96);
    assert.match(cluster.nodes[0]!.ip, /^198\.19\.98\./);
  });

  test('when every subnet is taken it says so', async () => {
    const all = Array.from({ length: 16 }, (_, i) => `198.19.${16 * i}.0/20`).join(' ');
    fake.answer({ ...COMPOSE_2, 'docker network ls': 'aaa', 'docker network inspect': all });
    const error = await refusal(prepare());
    assert.equal(error.code, 'lab.port');
  });

  test('a port that is taken moves the cluster, and is an error where the ports were asked for', async () => {
    const { cluster, placement } = await prepare();
    const port = cluster.nodes[0]!.outer.http!;
    const somebody = createServer().listen(port, '127.0.0.1');
    await once(somebody, 'listening');
    try {
      const moved = await prepare();
      assert.notEqual(moved.placement.basePort, placement.basePort);
      const first = Math.min(...cluster.nodes.flatMap(({ outer }) => Object.values(outer)));
      const error = await refusal(prepare('nginx-rtmp', { basePort: first }));
      assert.equal(error.code, 'lab.port');
      assert.ok(error.message.includes(`127.0.0.1:${port} is taken`), error.message);
    } finally {
      somebody.close();
    }
  });

  test('every topology is a profile, and what is none is unknown', () => {
    for (const { name } of TOPOLOGIES) requireProfile(name);
    assert.throws(() => requireProfile('another'), { code: 'lab.unknown' });
  });
});

describe('a project', () => {
  test('makes its own images anew, starts containers without making any, and knows their processes', async () => {
    const project = await broughtUp();
    const file = join(runDir, 'docker-compose.yml');
    const compose = `docker compose -p test -f ${file} --profile nginx-rtmp`;
    assert.deepEqual(fake.asked.slice(0, 2), [
      `${compose} build --quiet`,
      `${compose} up --detach --no-build`,
    ]);
    assert.deepEqual([project.pid('live'), project.pid('web')], [4711, 4712]);
  });

  test('without an image of ours makes none; Compose 1.29 is a program of its own', async () => {
    fake.answer(COMPOSE_1);
    const project = await prepare('edge-cluster');
    fake.answer({});
    await project.up();
    assert.ok(!fake.asked.some((line) => line.includes(' build ')));
    assert.match(fake.asked[0]!, /^docker-compose -p test .* up --detach --no-build$/);
  });

  test('that does not come up says why, with the last lines of its containers, and is taken down', async () => {
    const compose = `docker compose -p test -f ${join(runDir, 'docker-compose.yml')} --profile nginx-rtmp`;
    fake.answer({
      ...COMPOSE_2,
      [`${compose} up`]: { code: 17, says: 'pull access denied for nginx' },
      [`${compose} logs`]: 'web | no such file',
    });
    const options = { topology: topologyByName('nginx-rtmp'), runDir, project: PROJECT };
    const error = await refusal(startCompose(options));
    assert.equal(error.code, 'lab.exited');
    assert.match(error.message, /pull access denied for nginx/);
    assert.deepEqual(error.log, ['web | no such file', '']);
    assert.ok(
      fake.asked.includes(`${compose} --profile monitoring down --volumes --remove-orphans --timeout 2`),
      fake.asked.join('\n'),
    );
  });

  test('whose start is interrupted says that', async () => {
    const project = await ComposeProject.prepare({
      topology: topologyByName('nginx-rtmp'),
      runDir,
      signal: AbortSignal.abort(),
    });
    assert.equal((await refusal(project.up())).code, 'lab.aborted');
  });

  test('is a target: published ports, addresses of the containers, settings of the gate', async () => {
    const project = await prepare('coworker-cluster');
    const { engine, nodes, settings } = project.target();
    assert.equal(engine, 'srs');
    assert.equal(settings?.hls?.sessions, false);
    for (const { name, host, ports, addresses } of nodes) {
      const placed = project.cluster.nodes.find(({ spec }) => spec.name === name)!;
      assert.deepEqual([host, ports, addresses], ['127.0.0.1', placed.outer, [placed.ip]]);
    }
  });

  test('whose nodes name each other is reached where they do, if wanted', async () => {
    const project = await prepare('coworker-cluster', { direct: true });
    for (const { name, host, ports } of project.target().nodes) {
      const placed = project.cluster.nodes.find(({ spec }) => spec.name === name)!;
      assert.deepEqual([host, ports.rtmp], [placed.ip, 1935]);
    }
    const edges = await prepare('edge-cluster', { direct: true });
    for (const { host } of edges.target().nodes) assert.equal(host, '127.0.0.1');
  });

  test('controls its containers by Docker’s command line', async () => {
    const project = await broughtUp();
    const { ip } = project.cluster.nodes.find(({ spec }) => spec.name === 'live')!;
    const { kill, freeze, thaw, disconnect, reconnect } = project.controls('live');
    fake.answer({});
    for (const control of [kill, freeze, thaw, disconnect, reconnect]) await control();
    assert.deepEqual(fake.asked, [
      'docker kill aaa',
      'docker pause aaa',
      'docker unpause aaa',
      'docker network disconnect test_liveproof aaa',
      `docker network connect --ip ${ip} --alias nginx-rtmp-live test_liveproof aaa`,
    ]);
  });

  test('a container that was started anew has another process', async () => {
    const project = await broughtUp();
    fake.answer({ 'docker inspect': '4799' });
    await project.controls('live').restart();
    assert.deepEqual(fake.asked, [
      'docker restart --time 0 aaa',
      'docker inspect --format {{.State.Pid}} aaa',
    ]);
    assert.deepEqual([project.pid('live'), project.pid('web')], [4799, 4712]);
  });

  test('has what its containers write in files, and how they ended; of one that is started again what comes then', async () => {
    const options = { topology: topologyByName('nginx-rtmp'), runDir, project: PROJECT };
    assert.equal((await ComposeProject.prepare(options)).logFile('live'), '');
    const project = await ComposeProject.prepare({ ...options, logs: true });
    const ended = 'docker inspect --format ended with';
    fake.answer({ ...CONTAINERS, 'docker logs --follow aaa': 'no such stream', [ended]: 'ended with 139' });
    await project.up();
    assert.equal(project.logFile('live'), join(runDir, 'live.log'));
    await untilLogged('no such stream\n-- ended with 139\n');
    fake.answer({ 'docker logs --follow --since 20': 'here again' });
    await project.controls('live').restart();
    await untilLogged('no such stream\n-- ended with 139\nhere again\n');
    fake.answer({});
    await project.down();
  });

  async function untilLogged(text: string): Promise<void> {
    const file = join(runDir, 'live.log');
    const end = performance.now() + 5000;
    while (readFileSync(file, 'utf8') !== text) {
      assert.ok(performance.now() < end, readFileSync(file, 'utf8'));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  test('tells of every node what Docker tells, and of what is not there that it is gone', async () => {
    const project = await prepare();
    fake.answer({ 'docker ps': 'nginx-rtmp-web\tUp 4 minutes (healthy)' });
    const status = await project.status();
    assert.deepEqual(Object.fromEntries(status.map(({ name, status: told }) => [name, told])), {
      live: 'gone',
      web: 'Up 4 minutes (healthy)',
    });
  });

  test('has the versions of its images, and says what stands in for one', async () => {
    const label = 'docker image inspect --format {{index .Config.Labels "liveproof.standin"}}';
    const project = await broughtUp({ [`${label} nginx:`]: 'true', [label]: '<no value>' });
    assert.deepEqual(await project.versions(), {
      docker: '20.10.24',
      'docker compose': '2.40.3',
      nginx: 'stand-in for 1.26.2',
      'liveproof/nginx-rtmp': '0.1.0',
    });
    assert.deepEqual(project.standins, ['nginx:1.26.2']);
  });

  test('lets what is paused go on before it is taken down, and removes what Compose has left', async () => {
    const project = await broughtUp();
    const own = 'docker ps --all --quiet --filter label=com.docker.compose.project=test';
    fake.answer({ [`${own} --filter status=paused`]: 'aaa', [own]: 'bbb\nccc' });
    await project.down();
    const asked = fake.asked;
    assert.equal(asked[1], 'docker unpause aaa');
    assert.match(asked[2]!, / down --volumes --remove-orphans --timeout 2$/);
    assert.equal(asked.at(-1), 'docker rm --force --volumes bbb ccc');
  });
});

describe('a lab of containers that stays up', () => {
  const STATE = {
    schema: 'liveproof/compose-lab@1',
    startedAt: 1,
    topology: 'nginx-rtmp',
    engine: 'nginx-rtmp',
    project: PROJECT,
    basePort: 22_000,
    octet: 64,
    versions: { nginx: 'stand-in for 1.26.2', 'liveproof/nginx-rtmp': '0.1.0' },
    entries: [],
  };
  const remember = (state: object = STATE): void =>
    writeFileSync(join(runDir, 'compose.json'), JSON.stringify(state));

  test('is remembered in its directory, where no other may be brought up', () => {
    assert.equal(readComposeLab(runDir), undefined);
    refuseWhileComposed(runDir);
    remember();
    // Of a lab that an earlier version brought up nothing is said of that.
    assert.deepEqual(readComposeLab(runDir), { ...STATE, phase: 'up' });
    assert.throws(() => refuseWhileComposed(runDir), { code: 'lab.already-up' });
    assert.deepEqual(standinsIn(readComposeLab(runDir)!), ['nginx']);
  });

  test('whose file is something else is an error, not nothing', () => {
    remember({ schema: 'liveproof/lab@1' });
    assert.throws(() => readComposeLab(runDir), { code: 'lab.unknown' });
  });

  test('is whole when every container is healthy', async () => {
    assert.equal(await composeStatus(runDir), undefined);
    remember();
    const line = (node: string, health: string) => `nginx-rtmp-${node}\tUp 2 minutes (${health})`;
    for (const [health, whole] of [
      ['healthy', true],
      ['unhealthy', false],
    ] as const) {
      fake.answer({ ...COMPOSE_2, 'docker ps': `${line('live', 'healthy')}\n${line('web', health)}` });
      assert.equal((await composeStatus(runDir))?.whole, whole, health);
    }
  });

  test('is forgotten once it is down', async () => {
    assert.equal(await composeDown(runDir), false);
    remember();
    assert.equal(await composeDown(runDir), true);
    assert.ok(fake.asked.some((line) => / down --volumes /.test(line)));
    assert.equal(readComposeLab(runDir), undefined);
  });

  describe('while it comes up', () => {
    const compose = (project: string) =>
      `docker compose -p ${project} -f ${join(runDir, 'docker-compose.yml')} --profile nginx-rtmp`;

    /** @param answers from when its containers are to be started. @param signal of who wants it no more. */
    async function failedUp(
      answers: (project: string) => FakeAnswers,
      signal?: AbortSignal,
    ): Promise<LabError> {
      let before: ReturnType<typeof readComposeLab>;
      const error = await refusal(
        composeUp({
          directory: runDir,
          topology: 'nginx-rtmp',
          ...(signal === undefined ? {} : { signal }),
          onProgress: (what) => {
            if (!what.startsWith('containers')) return;
            before = readComposeLab(runDir);
            fake.answer({ ...COMPOSE_2, ...answers(before?.project ?? '') });
          },
        }),
      );
      assert.equal(before?.phase, 'starting', 'it is remembered before there is a container');
      return error;
    }

    test('is remembered, and forgotten when the start failed and was taken down', async () => {
      const error = await failedUp((project) => ({
        [`${compose(project)} up`]: { code: 17, says: 'pull access denied for nginx' },
      }));
      assert.equal(error.code, 'lab.exited');
      assert.ok(fake.asked.some((line) => / down --volumes /.test(line)));
      assert.equal(readComposeLab(runDir), undefined);
    });

    test('is forgotten when the start was interrupted, too', async () => {
      const interruption = new AbortController();
      const error = await failedUp(() => {
        interruption.abort();
        return {};
      }, interruption.signal);
      assert.equal(error.code, 'lab.aborted');
      assert.equal(readComposeLab(runDir), undefined);
    });

    test('stays remembered when what is left of it could not be taken down', async () => {
      await assert.rejects(
        composeUp({
          directory: runDir,
          topology: 'nginx-rtmp',
          onProgress: () => {
            const mine = compose(readComposeLab(runDir)!.project);
            fake.answer({
              ...COMPOSE_2,
              [`${mine} up`]: { code: 17, says: 'no space left' },
              [`${mine} --profile monitoring down`]: { code: 1, says: 'the engine is gone' },
            });
          },
        }),
        /the engine is gone/,
      );
      assert.equal(readComposeLab(runDir)?.phase, 'starting');
    });

    test('and is killed, lab status says that it has not come up whole, and lab down takes it down', async () => {
      const up = liveproof('up', '--runner', 'compose', '--topology', 'nginx-rtmp');
      const { said } = up;
      // Its containers are there, and nobody listens at their ports: it waits.
      while (!fake.asked.some((line) => / up --detach /.test(line))) {
        assert.equal(up.child.exitCode, null, said());
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      up.child.kill('SIGKILL');
      await up.end;
      const healthy = (node: string) => `nginx-rtmp-${node}\tUp 2 minutes (healthy)`;
      fake.answer({ ...COMPOSE_2, 'docker ps --all --filter': `${healthy('live')}\n${healthy('web')}` });
      const status = liveproof('status');
      assert.equal(await status.end, 1, status.said());
      assert.match(status.said(), /in containers, starting for \d+ s/);
      assert.match(status.said(), /It has not come up whole: .*`lab down` clears what is left/);
      const json = liveproof('status', '--json');
      assert.equal(await json.end, 1);
      const { whole, phase } = JSON.parse(json.said()) as { whole: boolean; phase: string };
      assert.deepEqual({ whole, phase }, { whole: false, phase: 'starting' });
      const again = liveproof('up', '--runner', 'compose', '--topology', 'nginx-rtmp');
      assert.equal(await again.end, 2, again.said());
      assert.match(again.said(), /a lab of containers has not come up whole in .*`lab down` takes it down/s);
      const { project } = readComposeLab(runDir)!;
      const down = liveproof('down');
      assert.equal(await down.end, 0);
      assert.equal(down.said(), 'down\n');
      assert.ok(fake.asked.some((line) => line.startsWith(`${compose(project)} --profile monitoring down`)));
      assert.equal(readComposeLab(runDir), undefined);
    });

    function liveproof(verb: string, ...args: string[]) {
      const command = [...startArgs('cli/main.ts'), 'lab', verb, '--dir', runDir, ...args];
      const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] });
      let output = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          output += text;
        });
      }
      const end = once(child, 'close').then(([code]) => code as number | null);
      return { child, end, said: () => output };
    }
  });
});
