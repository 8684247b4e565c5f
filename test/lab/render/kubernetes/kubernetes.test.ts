import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { Command } from 'commander';
import { parseAllDocuments } from 'yaml';
import { register as registerLoad } from '../../../../cli/load.ts';
import { register as registerMerge } from '../../../../cli/merge.ts';
import { streamUrlOf } from '../../../../lab/builtin/proxy/load-balancer.ts';
import { KUBERNETES_CLUSTERS, renderKubernetes } from '../../../../lab/render/kubernetes.ts';
import { assignmentOf } from '../../../../scenarios/k6/parts/assignment.ts';
import { type Schema, schemaOf, TEST_RUN, validate } from './schema.ts';

const ROOT = resolve(import.meta.dirname, '../../../..');
const FOLDER = join(ROOT, 'deploy/kubernetes');
const README = readFileSync(join(FOLDER, 'README.md'), 'utf8');

interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly env?: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly configMapKeyRef?: { readonly name: string; readonly key: string } };
  }[];
  readonly command?: readonly string[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts?: readonly { readonly name: string }[];
  readonly securityContext?: { readonly readOnlyRootFilesystem?: boolean };
  readonly resources?: { readonly limits?: Readonly<Record<string, string>> };
  readonly readinessProbe?: object;
  readonly livenessProbe?: object;
}

interface PodSpec {
  readonly containers: readonly Container[];
  readonly securityContext?: { readonly runAsNonRoot?: boolean; readonly runAsUser?: number };
  readonly volumes?: readonly {
    readonly name: string;
    readonly configMap?: { readonly name: string };
    readonly persistentVolumeClaim?: { readonly claimName: string };
  }[];
}

interface Document {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly resources?: readonly string[];
  readonly spec?: {
    readonly type?: string;
    readonly replicas?: number;
    readonly parallelism?: number;
    readonly runner?: Pick<Container, 'env'>;
    readonly selector?: Readonly<Record<string, string>>;
    readonly ports?: readonly { readonly port: number; readonly targetPort: string }[];
    readonly template?: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: PodSpec;
    };
  };
}

const files = renderKubernetes();
const documents = [...files].flatMap(([file, text]) =>
  parseAllDocuments(text).map((document) => {
    assert.deepEqual(document.errors, [], file);
    return { file, folder: file.split('/')[0]!, document: document.toJS() as Document };
  }),
);
const pods = documents.flatMap(({ file, folder, document }) => {
  const template = document.spec?.template;
  return template === undefined
    ? []
    : [{ file, folder, document, labels: template.metadata.labels, pod: template.spec }];
});
const ofKind = (kind: string) => documents.filter(({ document }) => document.kind === kind);

test('deploy/kubernetes has every manifest as it is rendered, and no other', () => {
  for (const [name, text] of files) {
    assert.equal(readFileSync(join(FOLDER, name), 'utf8'), text, `${name}: npm run render:kubernetes`);
  }
  const there = readdirSync(FOLDER, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.yaml'))
    .map(({ parentPath, name }) => join(parentPath, name).slice(FOLDER.length + 1));
  assert.deepEqual(there.sort(), [...files.keys()].sort());
});

describe('the schemas of Kubernetes', () => {
  const schemaFor = ({ apiVersion, kind }: Document): Schema | undefined =>
    kind === 'TestRun' ? TEST_RUN : schemaOf(apiVersion, kind);

  test('hold for every manifest', () => {
    let validated = 0;
    for (const { file, document } of documents) {
      if (document.kind === 'Kustomization') continue;
      const schema = schemaFor(document);
      assert.ok(
        schema !== undefined,
        `${file}: there is no schema of ${document.apiVersion} ${document.kind}`,
      );
      assert.deepEqual(validate(document, schema), [], `${file}, ${document.kind} ${document.metadata.name}`);
      validated++;
    }
    assert.ok(validated > 20, String(validated));
  });

  test('refuse what is not in them', () => {
    const deployment = ofKind('Deployment')[0]!.document;
    const schema = schemaFor(deployment)!;
    const broken: [(copy: Record<string, never>) => void, RegExp][] = [
      [(copy) => Object.assign(copy.spec, { replica: 3 }), /^\.spec\.replica: no such field$/],
      [(copy) => Object.assign(copy.spec, { replicas: '3' }), /^\.spec\.replicas: no integer$/],
      [(copy) => delete (copy.spec as Record<string, unknown>).selector, /^\.spec\.selector: is missing$/],
      [
        (copy) =>
          Object.assign((copy.spec as { template: { spec: object } }).template.spec, { containers: {} }),
        /containers: no array$/,
      ],
    ];
    for (const [change, expected] of broken) {
      const copy = structuredClone(deployment) as unknown as Record<string, never>;
      change(copy);
      const found = validate(copy, schema);
      assert.equal(found.length, 1, String(found));
      assert.match(found[0]!, expected);
    }
  });
});

describe('kustomize', () => {
  test('every folder lists its manifests, all of which are there', () => {
    const kustomizations = ofKind('Kustomization');
    assert.equal(kustomizations.length, new Set(documents.map(({ folder }) => folder)).size);
    for (const { folder, document } of kustomizations) {
      const own = [...files.keys()].filter(
        (name) => name.startsWith(`${folder}/`) && !name.endsWith('kustomization.yaml'),
      );
      assert.deepEqual([...document.resources!].map((name) => `${folder}/${name}`).sort(), own.sort());
    }
  });
});

describe('pods', () => {
  test('run as nobody, without rights, within limits, and are probed', () => {
    assert.ok(pods.length >= 8);
    for (const { file, document, pod } of pods) {
      assert.equal(pod.securityContext!.runAsNonRoot, true, file);
      assert.ok(pod.securityContext!.runAsUser! > 0, file);
      for (const container of pod.containers) {
        const name = `${file} ${container.name}`;
        assert.equal(container.securityContext!.readOnlyRootFilesystem, true, name);
        assert.ok(container.resources!.limits!.cpu && container.resources!.limits!.memory, name);
        assert.match(container.image, /:v?\d/, `${name}: an image by version`);
        if (document.kind !== 'Deployment') continue;
        assert.ok(container.readinessProbe && container.livenessProbe, name);
      }
    }
  });

  test('mount what there is', () => {
    for (const { file, folder, pod } of pods) {
      const volumes = new Set(pod.volumes?.map(({ name }) => name));
      for (const { volumeMounts = [] } of pod.containers) {
        for (const { name } of volumeMounts) assert.ok(volumes.has(name), `${file}: no volume ${name}`);
      }
      const named = (kind: string) =>
        ofKind(kind).map(({ folder, document }) => `${folder}/${document.metadata.name}`);
      for (const { configMap, persistentVolumeClaim } of pod.volumes ?? []) {
        if (configMap) assert.ok(named('ConfigMap').includes(`${folder}/${configMap.name}`), configMap.name);
        if (!persistentVolumeClaim) continue;
        const { claimName } = persistentVolumeClaim;
        const from = folder === 'merge' ? 'load' : folder;
        assert.ok(named('PersistentVolumeClaim').includes(`${from}/${claimName}`), claimName);
      }
    }
  });

  test('have no port twice, and none below 1024', () => {
    for (const { file, pod } of pods) {
      const ports = pod.containers.flatMap(({ ports = [] }) => ports);
      assert.equal(new Set(ports.map(({ containerPort }) => containerPort)).size, ports.length, file);
      assert.equal(new Set(ports.map(({ name }) => name)).size, ports.length, file);
      for (const { name, containerPort } of ports) {
        assert.ok(containerPort > 1023, `${file} ${name}`);
        assert.ok(name.length <= 15, `${name}: a port has a name of at most 15 characters`);
      }
    }
  });
});

describe('services', () => {
  test('lead to ports of pods', () => {
    for (const { folder, document } of ofKind('Service')) {
      const { selector, ports } = document.spec!;
      const behind = pods.filter(
        (one) =>
          one.folder === folder &&
          Object.entries(selector!).every(([key, value]) => one.labels[key] === value),
      );
      assert.equal(behind.length, 1, `${folder} ${document.metadata.name}`);
      const names = behind[0]!.pod.containers.flatMap(({ ports = [] }) => ports.map(({ name }) => name));
      for (const { targetPort } of ports!) assert.ok(names.includes(targetPort), `${folder}: ${targetPort}`);
    }
  });

  test('have every name that a configuration says', () => {
    let seen = 0;
    for (const { folder, document } of ofKind('ConfigMap')) {
      const services = ofKind('Service').filter((one) => one.folder === folder);
      for (const text of Object.values(document.data!)) {
        // What an edge fetches from, an Nginx passes to, an origin registers with.
        const named = text.matchAll(/^\s*(?:origin\s+|server\s+|url\s+http:\/\/)([a-z][a-z0-9-]*):(\d+)/gm);
        for (const [, host, port] of named) {
          const service = services.find((one) => one.document.metadata.name === host);
          assert.ok(service !== undefined, `${folder}: no service ${host}`);
          assert.ok(
            service.document.spec!.ports!.some((one) => one.port === Number(port)),
            `${folder}: ${host}:${port}`,
          );
          seen++;
        }
      }
    }
    assert.ok(seen >= 4, String(seen));
  });

  test('are those of the guides: a balancer in front of the edges, Nginx on the shared folder, the origin inside', () => {
    const of = (name: string) =>
      ofKind('Service').find(
        ({ folder, document }) => folder === 'edge-cluster' && document.metadata.name === name,
      )!.document.spec!;
    assert.equal(of('origin').type, 'ClusterIP');
    assert.equal(of('edge').type, 'LoadBalancer');
    assert.deepEqual([of('web').type, of('web').ports![0]!.port], ['LoadBalancer', 80]);
    const origin = pods.find(({ file }) => file === 'edge-cluster/origin.yaml')!;
    assert.deepEqual(
      origin.pod.containers.map(({ name }) => name),
      ['origin', 'web'],
    );
    const edge = ofKind('Deployment').find(({ file }) => file === 'edge-cluster/edge.yaml')!;
    assert.equal(edge.document.spec!.replicas, 3);
    for (const name of KUBERNETES_CLUSTERS) {
      const entries = ofKind('Service').filter(
        ({ folder, document }) => folder === name && document.spec!.type === 'LoadBalancer',
      );
      assert.ok(entries.length > 0, name);
      const system = entries.flatMap(({ document }) =>
        document.spec!.ports!.filter(({ port }) => port === 12_025),
      );
      assert.deepEqual(system, [], `${name}: nobody outside may register an origin`);
    }
  });

  test('have outside what viewers and encoders need alone, and inside, for who watches, all of the same pods', () => {
    const portsOf = (type: string) =>
      ofKind('Service')
        .filter(({ document }) => document.spec!.type === type)
        .flatMap(({ folder, document: { metadata, spec } }) =>
          spec!.ports!.map(({ port, targetPort }) => `${folder}/${metadata.name}:${port} ${targetPort}`),
        );
    assert.deepEqual(portsOf('LoadBalancer').sort(), [
      'edge-cluster/cache:80 cache-http',
      'edge-cluster/edge:1935 rtmp',
      'edge-cluster/edge:8080 http',
      'edge-cluster/web:80 web-http',
      // Not its HTTP server, which has /stat.
      'nginx-rtmp/live:1935 rtmp',
      'nginx-rtmp/web:80 web-http',
      'proxy-redis/edge:1935 rtmp',
      'proxy-redis/edge:8080 http',
      'proxy-redis/proxy:1935 rtmp',
      'proxy-redis/proxy:8080 http',
    ]);
    const watched = [
      'edge-cluster/balancer',
      'nginx-rtmp/live-inside',
      'proxy-redis/balancer',
      'proxy-redis/edge-inside',
    ];
    const inside = portsOf('ClusterIP');
    for (const name of watched) {
      for (const port of ['1935 rtmp', '8080 http', '1985 api'])
        assert.ok(inside.includes(`${name}:${port}`), `${name}:${port}`);
    }
  });
});

test('media nodes set their own limit of open files, whatever the machine gives, and become what they are told', () => {
  const own = spawnSync('prlimit', ['--nofile', '--output=HARD', '--noheadings'], { encoding: 'utf8' });
  const hard = Number(own.stdout);
  assert.ok(hard > 3000, own.stdout);
  const programs: string[] = [];
  for (const container of pods.flatMap(({ pod }) => pod.containers)) {
    const [shell, option, script, program, ...args] = container.command ?? [];
    if (shell !== 'sh') continue;
    programs.push(program!);
    assert.ok(args.length > 0);
    for (const [most, expected] of [
      [hard, Math.min(hard, 65_536)],
      [3000, 3000],
    ]) {
      const limited = [`--nofile=1024:${most}`, 'sh', option!, script!, 'sh', '-c', 'ulimit -n'];
      const { stdout, stderr } = spawnSync('prlimit', limited, { encoding: 'utf8' });
      assert.equal(stdout, `${expected}\n`, stderr);
    }
  }
  assert.deepEqual([...new Set(programs)].sort(), ['./objs/srs', 'nginx']);
});

test('the driver pods call commands with options that there are', () => {
  const jobs = pods.filter(({ document }) => document.kind === 'Job');
  assert.deepEqual(jobs.map(({ folder }) => folder).sort(), ['load', 'merge']);
  for (const { pod } of jobs) {
    const [name, ...rest] = pod.containers[0]!.args!;
    const program = new Command();
    registerLoad(program);
    registerMerge(program);
    const command = program.commands.find((one) => one.name() === name)!;
    const known = command.options.map(({ long }) => long);
    for (const option of rest.filter((text) => text.startsWith('--'))) {
      assert.ok(known.includes(option), `${name} ${option}`);
    }
  }
});

test('a load and its merge have a folder of their own, so that a shard of the load before is not taken for one that never ran', () => {
  const container = (folder: string) => pods.find((one) => one.folder === folder)!.pod.containers[0]!;
  const filled = (folder: string, settings: Readonly<Record<string, string>>): string[] => {
    const { args = [], env = [] } = container(folder);
    return args.map((text) =>
      text.replaceAll(/\$\((\w+)\)/g, (_, name) => {
        const variable = env.find((one) => one.name === name);
        assert.ok(variable !== undefined, `${folder}: ${text} is never filled in`);
        return settings[variable.valueFrom?.configMapKeyRef?.key ?? name]!;
      }),
    );
  };
  const outOf = (args: readonly string[]): string => args[args.indexOf('--out') + 1]!;
  const merged = (start: string) => filled('merge', { 'start-at': start });
  const [, ...folders] = merged('1796000000').slice(0, merged('1796000000').indexOf('--out'));
  const written = folders.map((_, shard) =>
    outOf(filled('load', { url: 'rtmp://edge/live/a', 'start-at': '1796000000', SHARD: String(shard) })),
  );
  assert.deepEqual(folders, written);
  assert.deepEqual(written.slice(0, 2), ['/results/1796000000/0', '/results/1796000000/1']);
  assert.equal(outOf(merged('1796000000')), '/results/1796000000/all');
  assert.ok(merged('1796000600').every((text) => !text.includes('1796000000')));
});

test('on every runner of k6 as many viewers look into frames as k6 bears', () => {
  const { parallelism, runner } = ofKind('TestRun')[0]!.document.spec!;
  const setting = (name: string) => Number(runner!.env!.find((one) => one.name === name)!.value);
  const ofRunner = setting('CLIENTS') / parallelism!;
  const looking = Array.from({ length: ofRunner }, (_, index) => index + 1).filter(
    (number) => assignmentOf({ idInTest: number, idInInstance: number }, ['url'], setting('INSPECT')).inspect,
  );
  // docs/k6.md, What a viewer costs: a third is one too many.
  assert.equal(looking.length, 2);
});

test('the README copies the report out of a pod that is ready: `kubectl run` does not wait for it', () => {
  const [, commands = ''] = /```\n(kubectl run .*?)```/s.exec(README) ?? [];
  const [, pod] = /^kubectl run (\S+) /.exec(commands) ?? [];
  const waited = commands.indexOf(`\nkubectl wait --for=condition=Ready --timeout=2m pod/${pod}\n`);
  const copied = commands.indexOf(`\nkubectl cp "${pod}:`);
  assert.ok(waited > 0 && copied > waited, commands);
});

describe('the README has one stream of proxy-redis for all who publish and play it', () => {
  const names = (host: string, vhost = '') => streamUrlOf({ host, vhost, app: 'live', stream: 'livestream' });
  const anywhere = names('10.96.0.1');

  test('by addresses, since a proxy takes a name with a dot for a vhost', () => {
    const urls = [...README.matchAll(/=(\w+:\/\/)\$\(address (\w+)\)(:\d+)?\/live\//g)];
    assert.deepEqual(
      urls.map(([, scheme, name, port = '']) => `${scheme}${name}${port}`),
      ['rtmp://edge', 'http://proxy:8080'],
    );
    assert.doesNotMatch(README, /:\/\/[\w-]+\.liveproof-proxy-redis/);
    assert.equal(names('198.51.100.7'), anywhere);
    assert.notEqual(names('proxy.liveproof-proxy-redis'), names('edge.liveproof-proxy-redis'));
  });

  test('by names without a dot, or by the default vhost in the URL, with a parameter beside it', () => {
    const [, parameters = ''] = /`\?(vhost=[^`]*)` on all URLs/.exec(README) ?? [];
    const [vhost, beside] = parameters.split('&');
    assert.ok(beside, 'SRS drops a default vhost that stands alone');
    for (const name of ['proxy', 'edge']) {
      assert.equal(names(name), anywhere);
      assert.equal(names(`${name}.liveproof-proxy-redis`, vhost!.slice('vhost='.length)), anywhere);
    }
  });
});

test('images are made of files that there are, and that Docker is given', () => {
  const ignored = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n');
  assert.ok(ignored.includes('*'));
  for (const dockerfile of ['driver.Dockerfile', 'k6.Dockerfile']) {
    const text = readFileSync(join(FOLDER, dockerfile), 'utf8');
    const copied = [...text.matchAll(/^COPY (.*) \S+$/gm)].flatMap(([, names]) => names!.split(' '));
    assert.ok(copied.length >= 3);
    for (const name of copied) {
      assert.ok(existsSync(join(ROOT, name)), `${dockerfile}: ${name}`);
      assert.ok(
        ignored.some((line) => line.startsWith('!') && `${name}/`.startsWith(`${line.slice(1)}/`)),
        `${dockerfile}: ${name} is in .dockerignore`,
      );
    }
  }
});
