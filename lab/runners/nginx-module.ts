import { existsSync } from 'node:fs';
import path from 'node:path';

/** Where packages put dynamic modules: Debian, Alpine and Fedora. */
const FOLDERS = ['/usr/lib/nginx/modules', '/usr/lib64/nginx/modules'];

/** The full path of a dynamic module of Nginx, or undefined. */
export function nginxModule(file: string): string | undefined {
  return FOLDERS.map((folder) => path.join(folder, file)).find((candidate) => existsSync(candidate));
}
