// Evaluates a boolean flag with flagd's JavaScript core.
// Argument: the folder with node_modules. Standard input: {"flag", "default", "files": [text…], "users": [context…]}.
// Standard output: {"answers": [text…]}, one character a user: 1 on, 0 off; null where the file is refused.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const require = createRequire(join(resolve(process.argv[2]), 'package.json'));
const { FlagdCore } = require('@openfeature/flagd-core');

const silent = { error() {}, warn() {}, info() {}, debug() {} };
const asked = JSON.parse(readFileSync(0, 'utf8'));

const answers = asked.files.map((file) => {
  const core = new FlagdCore(undefined, silent);
  try {
    core.setConfigurations(file);
  } catch {
    return null;
  }
  return asked.users
    .map((context) => {
      const { value } = core.resolveBooleanEvaluation(asked.flag, asked.default, context, silent);
      return value === true ? '1' : '0';
    })
    .join('');
});
process.stdout.write(JSON.stringify({ answers }));
