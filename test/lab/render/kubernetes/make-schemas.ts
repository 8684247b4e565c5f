/**
 * Makes schemas.json of the OpenAPI document of Kubernetes: the kinds that deploy/kubernetes has, with all that they refer
 * to, without descriptions. The document is a part of the Go module k8s.io/kubernetes (Apache-2.0):
 *
 *   go mod download -json k8s.io/kubernetes@v1.34.0          # prints the folder (Dir)
 *   node --import tsx test/lab/render/kubernetes/make-schemas.ts <folder>/api/openapi-spec/swagger.json
 *   npx biome check --write test/lab/render/kubernetes
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const KINDS = [
  'io.k8s.api.apps.v1.Deployment',
  'io.k8s.api.batch.v1.Job',
  'io.k8s.api.core.v1.ConfigMap',
  'io.k8s.api.core.v1.Namespace',
  'io.k8s.api.core.v1.PersistentVolumeClaim',
  'io.k8s.api.core.v1.Service',
];

interface Document {
  readonly info: { readonly version: string };
  readonly definitions: Readonly<Record<string, object>>;
}

const [, , file] = process.argv;
if (file === undefined) throw new Error('make-schemas.ts <swagger.json>');
const { definitions, info } = JSON.parse(readFileSync(file, 'utf8')) as Document;

const kept: Record<string, unknown> = {};
const wanted = [...KINDS];
for (let name = wanted.pop(); name !== undefined; name = wanted.pop()) {
  if (name in kept) continue;
  kept[name] = bare(definitions[name]);
  const references = JSON.stringify(kept[name]).matchAll(/"#\/definitions\/([^"]+)"/g);
  wanted.push(...[...references].map((match) => match[1]!));
}

/** Without what only people read, and without the extensions of Kubernetes but the one that names a kind. */
function bare(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(bare);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).filter(
    ([name, inner]) =>
      !(name === 'description' && typeof inner === 'string') &&
      !(name.startsWith('x-kubernetes-') && name !== 'x-kubernetes-group-version-kind'),
  );
  return Object.fromEntries(entries.map(([name, inner]) => [name, bare(inner)]));
}

const document = {
  notice: `From api/openapi-spec/swagger.json of Kubernetes ${info.version}, Copyright The Kubernetes Authors, Apache License 2.0 (https://www.apache.org/licenses/LICENSE-2.0). Changed by make-schemas.ts: only some kinds, without descriptions.`,
  definitions: Object.fromEntries(Object.entries(kept).sort(([a], [b]) => a.localeCompare(b))),
};
writeFileSync(join(import.meta.dirname, 'schemas.json'), `${JSON.stringify(document)}\n`);
