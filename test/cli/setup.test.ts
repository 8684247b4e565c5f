import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { missingPrograms, PROGRAMS, type SystemProgram } from '../../cli/programs.ts';
import { type Machine, setup } from '../../cli/setup.ts';
import { TOPOLOGIES } from '../../lab/topologies/index.ts';
import type { NodeSpec } from '../../lab/topology.ts';

const haproxy: SystemProgram = {
  name: 'haproxy',
  package: 'haproxy',
  neededBy: ['gate'],
  isThere: () => false,
};

/** A machine that lacks haproxy until `installs` says that this apt-get installs it. */
function machine(
  options: Partial<Machine> & { installs?: (argv: readonly string[], runs: readonly string[]) => boolean },
) {
  const runs: string[] = [];
  const said: string[] = [];
  const services: string[] = [];
  let isThere = false;
  const result: Machine = {
    missing: () => (isThere ? [] : [haproxy]),
    hasApt: true,
    isRoot: true,
    run(argv) {
      const succeeds = options.installs?.(argv, runs) ?? false;
      runs.push(argv.join(' '));
      if (succeeds && argv.includes('install')) isThere = true;
      return succeeds;
    },
    forbidServices() {
      services.push('forbidden');
      return () => services.push('allowed');
    },
    say: (line) => said.push(line),
    ...options,
  };
  return { machine: result, runs, said, services };
}

const APT = 'env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -q';
const INSTALL = `${APT} install -y --no-install-recommends haproxy`;

describe('setup', () => {
  it('is silent when nothing is missing, and runs nothing', () => {
    const { machine: there, runs, said } = machine({ missing: () => [] });
    assert.equal(setup(['gate'], there), 0);
    assert.deepEqual([runs, said], [[], []]);
  });

  it('installs as root, without fetching lists that are good, and lets no service start', () => {
    const { machine: root, runs, said, services } = machine({ installs: () => true });
    assert.equal(setup(['gate'], root), 0);
    assert.deepEqual(runs, [INSTALL]);
    assert.deepEqual(said, ['setup: installing haproxy with apt-get']);
    assert.deepEqual(services, ['forbidden', 'allowed']);
  });

  it('fetches the lists when there are none', () => {
    const { machine: fresh, runs } = machine({ installs: (_, before) => before.includes(`${APT} update`) });
    assert.equal(setup(['gate'], fresh), 0);
    assert.deepEqual(runs, [INSTALL, `${APT} update`, INSTALL]);
  });

  it('installs what there is when one of them is not', () => {
    const absent: SystemProgram = { ...haproxy, name: 'absent', package: 'absent' };
    const there = new Set<string>();
    const { machine: ubuntu, said } = machine({
      missing: () => [haproxy, absent].filter(({ name }) => !there.has(name)),
      installs(argv) {
        if (argv.includes('absent') || !argv.includes('haproxy')) return false;
        there.add('haproxy');
        return true;
      },
    });
    assert.equal(setup(['gate'], ubuntu), 4);
    assert.deepEqual([...there], ['haproxy']);
    assert.equal(said[1], 'error: not installed: absent');
  });

  it('uses a sudo that asks for no password', () => {
    const { machine: user, runs } = machine({ isRoot: false, installs: () => true });
    assert.equal(setup(['gate'], user), 0);
    assert.deepEqual(runs, ['sudo -n true', `sudo -n ${INSTALL}`]);
  });

  it('tells the command to type when it may not install', () => {
    const { machine: user, runs, said } = machine({ isRoot: false });
    assert.equal(setup(['gate'], user), 4);
    assert.deepEqual(runs, ['sudo -n true']);
    assert.deepEqual(said, [
      'error: not installed: haproxy',
      'type:  sudo apt-get update && sudo apt-get install -y --no-install-recommends haproxy',
    ]);
  });

  it('lets the gate go on without what one topology needs, and the tests not', () => {
    const module: SystemProgram = {
      ...haproxy,
      name: 'module',
      package: 'libmodule',
      onlyFor: ['nginx-rtmp'],
    };
    const { machine: user, said } = machine({ isRoot: false, missing: () => [module] });
    const command = 'type:  sudo apt-get update && sudo apt-get install -y --no-install-recommends libmodule';
    assert.equal(setup(['gate'], user), 0);
    assert.deepEqual(said, ['note: not installed: module, so that nginx-rtmp cannot run', command]);
    assert.equal(setup(['test'], user), 4);
    assert.deepEqual(said.slice(2), ['error: not installed: module', command]);
  });

  it('names every topology that has to do without', () => {
    const redis: SystemProgram = {
      ...haproxy,
      name: 'redis-server',
      onlyFor: ['proxy-redis', 'stream-manager'],
    };
    const { machine: user, said } = machine({ isRoot: false, missing: () => [redis] });
    assert.equal(setup(['lab'], user), 0);
    assert.equal(
      said[0],
      'note: not installed: redis-server, so that proxy-redis and stream-manager cannot run',
    );
  });

  it('tells the command to type when apt fails', () => {
    const { machine: offline, said, services } = machine({});
    assert.equal(setup(['gate'], offline), 4);
    assert.match(said.at(-1)!, /^type: {2}apt-get update && apt-get install/);
    assert.deepEqual(services, ['forbidden', 'allowed']);
  });

  it('touches nothing on a machine without apt', () => {
    const { machine: other, runs } = machine({ hasApt: false });
    assert.equal(setup(['gate'], other), 4);
    assert.deepEqual(runs, []);
  });

  it('knows wrong use from a purpose', () => {
    assert.equal(setup(['everything'], machine({}).machine), 2);
    assert.equal(setup(['gate', 'test'], machine({}).machine), 2);
  });

  it('as a command is quick and silent when everything is there', () => {
    assert.deepEqual(missingPrograms('test'), []);
    const file = fileURLToPath(new URL('../../cli/setup.ts', import.meta.url));
    const result = spawnSync(process.execPath, ['--import', 'tsx', file, 'test'], { encoding: 'utf8' });
    assert.deepEqual([result.status, result.stdout, result.stderr], [0, '', '']);
  });

  it('knows which topologies need a program, as the lab does', () => {
    for (const { name, onlyFor = [] } of PROGRAMS) {
      for (const topology of onlyFor)
        assert.ok(
          TOPOLOGIES.some((one) => one.name === topology),
          name,
        );
    }
    const needs = (has: (node: NodeSpec) => boolean): string[] =>
      TOPOLOGIES.filter(({ nodes }) => nodes.some(has)).map(({ name }) => name);
    const named = (program: string) => PROGRAMS.find(({ name }) => name === program)?.onlyFor;
    assert.deepEqual(
      named('redis-server'),
      needs(({ role }) => role === 'redis'),
    );
    assert.deepEqual(
      named('ngx_stream_module'),
      needs(({ web }) => web === 'stream'),
    );
  });

  it('asks of the tests whatever the lab and the gate need', () => {
    assert.ok(PROGRAMS.every((program) => program.neededBy.includes('test')));
  });
});
