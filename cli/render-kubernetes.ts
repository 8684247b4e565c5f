/** `npm run render:kubernetes`: writes deploy/kubernetes from the topologies. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { renderKubernetes } from '../lab/render/kubernetes.ts';

const FOLDER = resolve(import.meta.dirname, '../deploy/kubernetes');

const files = renderKubernetes();
for (const [name, text] of files) {
  const file = join(FOLDER, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
process.stdout.write(`${files.size} files in deploy/kubernetes\n`);
