/** `npm run render:compose`: writes docker-compose.yml and fixtures/compose from the topologies. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { renderCompose } from '../lab/render/compose.ts';

const ROOT = resolve(import.meta.dirname, '..');

const { compose, files } = renderCompose();
writeFileSync(join(ROOT, 'docker-compose.yml'), compose);
for (const [name, text] of files) {
  const file = join(ROOT, 'fixtures/compose', name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
process.stdout.write(`docker-compose.yml and ${files.size} files in fixtures/compose\n`);
