#!/usr/bin/env node
/** `npm run liveproof`: the command from its bundle, in this process. From its 470 sources it starts a second later. */
import { pathToFileURL } from 'node:url';
import { entryOf } from '../runtime/entry.ts';

process.setSourceMapsEnabled(true);
await import(pathToFileURL(entryOf('cli/main.ts').file).href);
