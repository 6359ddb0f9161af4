// A service of the tests with Unleash's own client for Node.js.
// Usage: client.mjs INSTALLED, then one line of JSON on standard input:
// { url, token, flag, users, mode, failing }
//   evaluate: says for each user whether the feature is on, as 0 and 1, and ends
//   watch:    says `on` and `off` whenever that changes for the first user, until standard input ends
//   serve:    counts requests of the users as impact metrics, `failing` of those with the feature in error, until then
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';

const require = createRequire(process.argv[2] + '/');
const { initialize } = require('unleash-client');

const lines = createInterface({ input: process.stdin });
const asked = JSON.parse(await new Promise((resolve) => lines.once('line', resolve)));
const ended = new Promise((resolve) => lines.once('close', resolve));
ended.then(() => process.exit(0));

const unleash = initialize({
  url: `${asked.url}/api`,
  appName: 'shop',
  environment: 'production',
  customHeaders: { Authorization: asked.token },
  refreshInterval: 1000,
  metricsInterval: 1000,
  disableMetrics: asked.mode !== 'serve',
});
unleash.on('error', (error) => process.stderr.write(`${error.message}\n`));
await new Promise((resolve) => unleash.once('synchronized', resolve));
const isOn = (user) => unleash.isEnabled(asked.flag, user);

if (asked.mode === 'evaluate') {
  process.stdout.write(asked.users.map((user) => (isOn(user) ? '1' : '0')).join('') + '\n', () => process.exit(0));
} else if (asked.mode === 'watch') {
  let before;
  setInterval(() => {
    const now = isOn(asked.users[0]) ? 'on' : 'off';
    if (now !== before) process.stdout.write(`${now}\n`);
    before = now;
  }, 50);
} else {
  unleash.impactMetrics.defineCounter('shop_requests_total', 'requests');
  unleash.impactMetrics.defineCounter('shop_failures_total', 'requests that failed');
  let turn = 0;
  setInterval(() => {
    for (let count = 0; count < 20; count += 1) {
      turn += 1;
      const context = asked.users[turn % asked.users.length];
      const about = { flagNames: [asked.flag], context };
      unleash.impactMetrics.incrementCounter('shop_requests_total', 1, about);
      const fails = isOn(context) && Math.random() < asked.failing;
      unleash.impactMetrics.incrementCounter('shop_failures_total', fails ? 1 : 0, about);
    }
  }, 50);
  process.stdout.write('serving\n');
}
