#!/usr/bin/env -S node --max-semi-space-size=64
/** The program of the package: the sources in a checkout, which needs no build; in the npm package what was built of them. */
import { existsSync } from 'node:fs';

const sources = new URL('main.ts', import.meta.url);
await import(existsSync(sources) ? sources.href : new URL('../../dist/deploy/cli/main.js', import.meta.url).href);
