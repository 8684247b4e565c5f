/** The load on Kubernetes: driver pods of an Indexed Job whose shards are one big run, their merge, and k6 by its operator. */
import type { Manifest } from './kubernetes.ts';

export const DRIVER_IMAGE = 'liveproof/driver:0.1.0';
export const K6_IMAGE = 'liveproof/k6:0.1.0';

const SHARDS = 4;
const CLIENTS = 8000;
/** Of one shard: docs/scaling.md says what they come from. */
const DRIVER = { cpu: '2', memory: '1Gi' };
const RESULTS = '/results';
/** Of each load its own, so that no merge takes a shard of the load before for one that did not run. `$(NAME)` is filled in by Kubernetes. */
const RUN = `${RESULTS}/$(START_AT)`;
const SETTINGS = 'load';
const USER = 1000;

interface Folder {
  readonly folder: string;
  readonly title: string;
  readonly manifests: ReadonlyMap<string, readonly Manifest[]>;
}

export function renderLoad(): Folder[] {
  return [
    {
      folder: 'load',
      title: `${SHARDS} driver pods that play together as one load, each with every ${SHARDS}th player.\nThe ConfigMap \`${SETTINGS}\` says what is played and when they all begin: README.md.`,
      manifests: new Map([
        ['results.yaml', [claim()]],
        ['job.yaml', [job('load', SHARDS, loadArguments())]],
      ]),
    },
    {
      folder: 'merge',
      title: `Makes one run of the shards, when all of them are done: those of the start that the ConfigMap \`${SETTINGS}\` says.`,
      manifests: new Map([['job.yaml', [job('merge', 1, mergeArguments())]]]),
    },
    {
      folder: 'k6',
      title:
        'HLS viewers by k6, spread over runners by k6-operator 1.6.0 or later. Thresholds hold per runner: k6 cannot merge percentiles.',
      manifests: new Map([['testrun.yaml', [testRun()]]]),
    },
  ];
}

/** All shards write into it. */
function claim(): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: 'load-results' },
    spec: { accessModes: ['ReadWriteMany'], resources: { requests: { storage: '1Gi' } } },
  };
}

function loadArguments(): string[] {
  return [
    ...['load', '$(URL)', '--allow-remote', '--clients', String(CLIENTS)],
    ...['--ramp', '30s', '--duration', '2m', '--workers', DRIVER.cpu],
    ...['--shard', `$(SHARD)/${SHARDS}`, '--start-at', '$(START_AT)', '--out', `${RUN}/$(SHARD)`],
  ];
}

function mergeArguments(): string[] {
  const shards = Array.from({ length: SHARDS }, (_, index) => `${RUN}/${index}`);
  return ['merge', ...shards, '--out', `${RUN}/all`];
}

function job(name: string, pods: number, args: readonly string[]): Manifest {
  const indexed = pods > 1;
  const label = { 'app.kubernetes.io/name': `liveproof-${name}`, 'app.kubernetes.io/part-of': 'liveproof' };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: `liveproof-${name}`, labels: label },
    spec: {
      // A shard that begins anew begins too late: the merge says that it is missing. One that fails ends no other.
      ...(indexed
        ? {
            completionMode: 'Indexed',
            completions: pods,
            parallelism: pods,
            backoffLimitPerIndex: 0,
          }
        : { backoffLimit: 0 }),
      template: {
        metadata: { labels: label },
        spec: {
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: USER,
            runAsGroup: USER,
            fsGroup: USER,
            seccompProfile: { type: 'RuntimeDefault' },
          },
          ...(indexed && {
            affinity: apart({ 'app.kubernetes.io/name': label['app.kubernetes.io/name'] }),
          }),
          containers: [
            {
              name,
              image: DRIVER_IMAGE,
              args,
              env: [
                ...(indexed ? [shardIndex(), setting('URL', 'url')] : []),
                setting('START_AT', 'start-at'),
              ],
              resources: { requests: DRIVER, limits: DRIVER },
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ['ALL'] },
              },
              volumeMounts: [
                { name: 'results', mountPath: RESULTS },
                { name: 'scratch', mountPath: '/tmp' },
              ],
            },
          ],
          volumes: [
            { name: 'results', persistentVolumeClaim: { claimName: 'load-results' } },
            { name: 'scratch', emptyDir: {} },
          ],
        },
      },
    },
  };
}

/** Two generators on one machine would share its processors and its network; where there are too few machines, they do. */
function apart(matchLabels: Readonly<Record<string, string>>): Manifest {
  return {
    podAntiAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        {
          weight: 100,
          podAffinityTerm: { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels } },
        },
      ],
    },
  };
}

/** JOB_COMPLETION_INDEX, named by ourselves so that it is there when the arguments are filled in. */
function shardIndex(): Manifest {
  const fieldPath = "metadata.annotations['batch.kubernetes.io/job-completion-index']";
  return { name: 'SHARD', valueFrom: { fieldRef: { fieldPath } } };
}

function setting(name: string, key: string): Manifest {
  return { name, valueFrom: { configMapKeyRef: { name: SETTINGS, key } } };
}

function testRun(): Manifest {
  return {
    apiVersion: 'k6.io/v1alpha1',
    kind: 'TestRun',
    metadata: { name: 'liveproof-hls-viewers' },
    spec: {
      parallelism: SHARDS,
      script: { localFile: '/liveproof/scenarios/k6/hls-viewers.ts' },
      runner: {
        image: K6_IMAGE,
        affinity: apart({ app: 'k6', runner: 'true' }),
        env: [
          { name: 'K6_AUTO_EXTENSION_RESOLUTION', value: 'false' },
          { name: 'K6_NO_USAGE_REPORT', value: 'true' },
          setting('URLS', 'hls-url'),
          { name: 'CLIENTS', value: '400' },
          { name: 'RAMP', value: '30' },
          { name: 'DURATION', value: '120' },
          // Two of the 100 of each runner: a third is more than k6 bears (docs/k6.md, What a viewer costs).
          { name: 'INSPECT', value: '50' },
          { name: 'RESULTS', value: '/tmp/results.json' },
        ],
        resources: { requests: { cpu: '2', memory: '2Gi' }, limits: { cpu: '2', memory: '2Gi' } },
        securityContext: { runAsNonRoot: true, runAsUser: 12_345, runAsGroup: 12_345 },
      },
    },
  };
}
