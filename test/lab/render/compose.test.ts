import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { readEnvironment } from '../../../lab/builtin/proxy/environment.ts';
import { renderCompose } from '../../../lab/render/compose.ts';
import { IMAGES, PORTS_OF_ALL, PROFILES, placeCluster, profileOf } from '../../../lab/render/compose-plan.ts';
import { K6_VERSION } from '../../../scenarios/benchmark/k6-program.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const FOLDER = join(ROOT, 'fixtures/compose');

interface Service {
  readonly image: string;
  readonly profiles: readonly string[];
  readonly ports: readonly string[];
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly environment?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  readonly working_dir?: string;
  readonly user?: string;
  readonly mem_limit?: string;
  readonly cpus?: number;
  readonly cap_drop?: readonly string[];
  readonly read_only?: boolean;
  readonly security_opt?: readonly string[];
  readonly privileged?: boolean;
  readonly tmpfs?: readonly string[];
  readonly networks: { liveproof?: { ipv4_address: string } };
}

interface Volume {
  readonly driver_opts?: { readonly type: string; readonly o: string };
}

const { compose, files } = renderCompose();
const document = parse(compose, { merge: true, maxAliasCount: -1 }) as {
  services: Record<string, Service>;
  volumes: Record<string, Volume>;
};
const all = Object.entries(document.services);
/** What stays up: k6 is a run. */
const services = all.filter(([name]) => name !== 'k6');
const K6 = document.services.k6!;

describe('the committed files', () => {
  const again = 'run `npm run render:compose`';

  test('docker-compose.yml is what the topologies render', () => {
    assert.equal(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), compose, again);
  });

  test('fixtures/compose has every configuration as it is rendered, and no other', () => {
    for (const [name, text] of files)
      assert.equal(readFileSync(join(FOLDER, name), 'utf8'), text, `${name}: ${again}`);
    const there = readdirSync(FOLDER, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.endsWith('.Dockerfile'))
      .map(({ parentPath, name }) => join(parentPath, name).slice(FOLDER.length + 1));
    assert.deepEqual(there.sort(), [...files.keys()].sort(), again);
  });
});

describe('docker-compose.yml', () => {
  test('has the five clusters as profiles, and each is a topology', () => {
    const profiles = new Set(services.flatMap(([, { profiles: own }]) => own));
    for (const one of ['edge', 'forward', 'nginx-rtmp', 'proxy', 'coworker'])
      assert.ok(profiles.has(one), one);
    assert.equal(profileOf('edge-cluster'), 'edge');
  });

  test('publishes on loopback only, and no port twice', () => {
    const ports = services.flatMap(([, { ports: own }]) => own);
    assert.ok(ports.length > 100);
    for (const port of ports) assert.match(port, /^127\.0\.0\.1:\d+:\d+(\/udp)?$/);
    const published = ports.map((port) => Number(port.split(':')[1]));
    assert.equal(new Set(published).size, published.length);
    assert.ok(Math.max(...published) < 22_000 + PORTS_OF_ALL);
  });

  test('gives every container limits, a health check and no rights', () => {
    for (const [name, service] of all) {
      assert.match(service.mem_limit ?? '', /^\d+[mg]$/, name);
      assert.ok((service.cpus ?? 0) > 0, name);
      assert.ok(service.healthcheck, name);
      assert.deepEqual(service.cap_drop, ['ALL'], name);
      assert.equal(service.read_only, true, name);
      assert.deepEqual(service.security_opt, ['no-new-privileges:true'], name);
      assert.equal(service.privileged, undefined, name);
    }
  });

  test('runs everything as another user than root', () => {
    for (const [name, { user }] of all) assert.match(user ?? '', /^[1-9]\d*:\d+$/, name);
  });

  test('lets that user write what a node writes: memory of its own, where the image has no folder for it', () => {
    const media = services.filter(([, { image }]) => image.startsWith('ossrs/srs'));
    assert.ok(media.length > 10);
    for (const [name, { volumes = [], tmpfs = [], user }] of media) {
      const volume = volumes.find((one) => one.endsWith(':/www'))?.split(':')[0];
      const options =
        volume === undefined
          ? tmpfs.find((one) => one.startsWith('/www:'))
          : document.volumes[volume]!.driver_opts!.o;
      const [uid, gid] = user!.split(':');
      assert.ok(options?.includes(`mode=0755,uid=${uid},gid=${gid}`), `${name}: ${options}`);
    }
    assert.equal(document.volumes['edge-origin']!.driver_opts!.type, 'tmpfs');
  });

  test('looks for health, and Prometheus for figures, at ports that somebody listens to', () => {
    for (const [name, { healthcheck, ports, image }] of services) {
      const port = / (?:3<>\/dev\/tcp\/[\d.]+\/)(\d+) /.exec(healthcheck!.test.join(' '))?.[1];
      if (port === undefined) continue;
      assert.ok(
        ports.some((one) => one.endsWith(`:${port}`)),
        `${name}: ${port}`,
      );
      if (!image.startsWith('haproxy')) continue;
      const balancer = files.get(name.replace(/^(edge|forward|proxy-redis)-/, '$1/').concat('.cfg'))!;
      assert.ok(balancer.includes(`frontend stats\n`) && balancer.includes(`bind 0.0.0.0:${port}\n`), name);
      assert.ok(files.get('monitoring/prometheus.yml')!.includes(`targets: ['${name}:${port}']`), name);
    }
  });

  test('publishes of a balancer what it binds, and no more', () => {
    const balancers = PROFILES.flatMap(({ profile }) => placeCluster(profile).nodes).filter(
      ({ image }) => image === 'haproxy',
    );
    assert.ok(balancers.length >= 3);
    for (const { service: name, spec } of balancers) {
      const text = files.get(`${name.slice(0, -spec.name.length - 1)}/${spec.name}.cfg`)!;
      const bound = [...text.matchAll(/^ {4}bind 0\.0\.0\.0:(\d+)$/gm)].map(([, port]) => port!);
      const published = document.services[name]!.ports.map((port) => port.split(':')[2]!);
      assert.deepEqual(published.sort(), bound.sort(), name);
    }
  });

  test('names images by version', () => {
    for (const image of Object.values(IMAGES)) assert.match(image, /:v?\d+\.\d+/);
    for (const [name, { image }] of all) assert.ok(Object.values<string>(IMAGES).includes(image), name);
  });

  test('mounts only what is rendered', () => {
    const mounts = services.flatMap(([, { volumes = [] }]) => volumes).filter((one) => one.startsWith('./'));
    assert.ok(mounts.length > 30);
    for (const mount of mounts) {
      const path = mount.split(':')[0]!.replace('./fixtures/compose/', '');
      assert.ok(
        [...files.keys()].some((name) => name === path || name.startsWith(`${path}/`)),
        mount,
      );
      assert.match(mount, /:ro$/);
    }
  });

  test('waits for the health of nodes of the same profile, never in a circle', () => {
    const waits = new Map(services.map(([name, { depends_on: on = {} }]) => [name, on]));
    const done = new Set<string>();
    const walk = (name: string, above: readonly string[]): void => {
      assert.ok(!above.includes(name), [...above, name].join(' > '));
      if (done.has(name)) return;
      for (const [other, { condition }] of Object.entries(waits.get(name)!)) {
        assert.ok(waits.has(other), `${name} waits for ${other}`);
        assert.equal(condition, 'service_healthy');
        walk(other, [...above, name]);
      }
      done.add(name);
    };
    for (const name of waits.keys()) walk(name, []);
  });
});

describe('k6', () => {
  const folders = K6.volumes!.slice(0, -1).map((mount) => mount.split(':') as [string, string, string]);

  test('is a profile of its own, in the network of the clusters, and is of the version that we know', () => {
    assert.deepEqual([K6.profiles, K6.networks], [['k6'], ['liveproof']]);
    assert.equal(K6.image, `grafana/k6:${K6_VERSION.slice(1)}`);
    assert.equal(K6.ports, undefined);
    assert.equal(K6.environment!.K6_AUTO_EXTENSION_RESOLUTION, 'false');
    assert.equal(K6.environment!.RESULTS, '/out/results.json');
    assert.equal(K6.volumes!.at(-1), './out/k6:/out');
  });

  test('has every file that its scripts import, read-only, where they look for it', () => {
    for (const [from, to, how] of folders) {
      assert.equal(to, join('/liveproof', from));
      assert.equal(how, 'ro');
    }
    const seen = new Set<string>();
    const walk = (file: string): void => {
      if (seen.has(file)) return;
      seen.add(file);
      const text = readFileSync(join(ROOT, file), 'utf8');
      assert.ok(
        folders.some(([from]) => join(file).startsWith(`${join(from)}/`)),
        `${file} is not mounted`,
      );
      for (const [, names, path] of text.matchAll(/^(?:import|export) ([^;']*?) ?from '(\.[^']+)'/gm))
        if (!names!.startsWith('type ')) walk(join(file, '..', path!));
    };
    const scripts = readdirSync(join(ROOT, 'scenarios/k6')).filter((name) => name.endsWith('.ts'));
    for (const name of scripts) walk(join('scenarios/k6', name));
    assert.ok(seen.size > 20, `only ${seen.size} files were seen`);
    assert.ok(seen.has(K6.command!.at(-1)!));
  });

  test('is run by the command of docs/k6.md', () => {
    const text = readFileSync(join(ROOT, 'docs/k6.md'), 'utf8');
    const [, script] = /^docker compose run --rm [^\n]* k6 run [^\n]* (\S+\.ts)$/m.exec(text) ?? [];
    assert.ok(script !== undefined && existsSync(join(ROOT, script)), script);
    const hosts = [...text.matchAll(/http:\/\/([a-z]+-[a-z\d-]+):8080/g)].map(([, host]) => host!);
    assert.ok(hosts.length > 0);
    for (const host of hosts) assert.ok(host in document.services, host);
  });
});

describe('the image of the proxy, by itself', () => {
  const [, dockerfile] = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')
    .replaceAll('\\\n', '')
    .split(/^FROM .* AS build$/m);
  const preset = Object.fromEntries(
    [...dockerfile!.matchAll(/^ENV (.*)$/gm)].flatMap(([, line]) =>
      line!
        .trim()
        .split(/\s+/)
        .map((pair) => pair.split('=') as [string, string]),
    ),
  );

  test('listens to what it exposes, on every address', () => {
    const { rtmp, http, api, system, webrtc, srt } = readEnvironment(preset);
    const [, exposed] = /^EXPOSE (.*)$/m.exec(dockerfile!)!;
    const tcp = [rtmp, http, api, system].map(({ port }) => `${port}`);
    const udp = [webrtc, srt].map(({ port }) => `${port}/udp`);
    assert.deepEqual(exposed!.split(' '), [...tcp, ...udp]);
    for (const { host } of [rtmp, http, api, system, webrtc, srt]) assert.equal(host, '0.0.0.0');
  });

  test('changes nothing of the clusters, which set all of it', () => {
    const proxies = services.filter(([, { command }]) => command?.[0] === 'proxy.mjs');
    assert.ok(proxies.length >= 3);
    for (const [name, { environment }] of proxies)
      for (const variable of Object.keys(preset).filter((one) => one !== 'NODE_ENV'))
        assert.ok(environment![variable] !== undefined, `${name}: ${variable}`);
  });

  test('is asked for its health where it listens, in every form that the variable has', async (t) => {
    const [, line] = /^HEALTHCHECK .* CMD (\[.*\])$/m.exec(dockerfile!)!;
    const [program, ...args] = JSON.parse(line!) as string[];
    assert.equal(program, 'node');
    const server = createServer((request, response) => {
      response.writeHead(request.url === '/api/v1/versions' ? 200 : 404).end();
    }).listen(0, '127.0.0.7');
    t.after(() => server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const health = (environment: Readonly<Record<string, string>>) =>
      new Promise<number>((resolve) => {
        const child = spawn(process.execPath, args, { env: { ...preset, ...environment }, stdio: 'ignore' });
        child.on('exit', (code) => resolve(code ?? -1));
      });
    const forms: Readonly<Record<string, string>>[] = [
      { PROXY_BIND: '127.0.0.7', PROXY_HTTP_API: `${port}` },
      { PROXY_BIND: '127.0.0.7', PROXY_HTTP_API: `:${port}` },
      { PROXY_HTTP_API: `127.0.0.7:${port}` },
    ];
    for (const form of forms) {
      const { host, port: at } = readEnvironment(form).api;
      assert.deepEqual([host, at], ['127.0.0.7', port]);
      assert.equal(await health(form), 0, JSON.stringify(form));
    }
    const all = createServer((_, response) => response.end()).listen(0, '0.0.0.0');
    t.after(() => all.close());
    await once(all, 'listening');
    const number = (all.address() as AddressInfo).port;
    assert.equal(await health({ PROXY_HTTP_API: `0.0.0.0:${number}` }), 0);
    assert.equal(await health({ PROXY_HTTP_API: `${number}` }), 0);
    all.close();
    assert.equal(await health({ PROXY_HTTP_API: `${number}` }), 1);
  });
});

test('SRT wants the passphrase of the settings, and none where the topology says so', () => {
  const srt = { latencyMs: 120, peerLatencyMs: 0, peerIdleMs: 10_000, passphrase: 'of a test run' };
  const rendered = renderCompose({ profiles: ['edge', 'local-origin'], settings: { srt } });
  assert.match(rendered.files.get('edge/origin.conf')!, /passphrase/);
  const open = rendered.files.get('local-origin/origin-1.conf')!;
  assert.match(open, /srt_server/);
  assert.doesNotMatch(open, /passphrase/);
});

describe('an Nginx in front of the edges of a host', () => {
  const front = files.get('local-origin/front-a.conf') ?? '';

  test('spreads TCP over them with what its image has, without a module to load', () => {
    const addresses = placeCluster('local-origin').nodes.flatMap(({ spec, ip }) =>
      spec.name.startsWith('edge-a') ? [ip] : [],
    );
    assert.equal(addresses.length, 3);
    for (const ip of addresses) assert.ok(front.includes(`server ${ip}:1935 `), ip);
    assert.ok(!front.includes('load_module'));
  });

  test('is where clients come in: its ports are the first', () => {
    const [first, second] = placeCluster('local-origin').nodes.map(({ spec }) => spec.name);
    assert.deepEqual([first, second], ['front-a', 'front-b']);
  });
});

describe('the places of the nodes', () => {
  test('differ in address and port, whichever clusters are up', () => {
    const nodes = PROFILES.flatMap(({ profile }) => placeCluster(profile).nodes);
    assert.equal(new Set(nodes.map(({ ip }) => ip)).size, nodes.length);
    const outer = nodes.flatMap((node) => Object.values(node.outer));
    assert.equal(new Set(outer).size, outer.length);
  });

  test('a candidate of WebRTC has the port that clients reach', () => {
    for (const { profile } of PROFILES) {
      for (const { inner, outer } of placeCluster(profile).nodes) {
        if (outer.rtc !== undefined) assert.equal(inner.rtc, outer.rtc);
      }
    }
  });

  test('another base and subnet move everything', () => {
    const moved = renderCompose({ profiles: ['edge'], placement: { basePort: 30_000, octet: 96 } });
    assert.ok(!moved.compose.includes('198.19.64.') && !moved.compose.includes(':22010:'));
    assert.match(moved.files.get('edge/edge-1.conf') ?? '', /198\.19\.96\./);
  });
});
