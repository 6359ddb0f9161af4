// Takes in deliveries as a receiver would that is written with the libraries of others.
// Argument: the folder with node_modules. Standard input: {"secret", "deliveries": [{"headers", "body"}]}.
// Standard output: [event…], each as the SDK of CloudEvents understands it; null where the signature does not hold.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const require = createRequire(join(resolve(process.argv[2]), 'package.json'));
const { HTTP } = require('cloudevents');
const { Webhook } = require('standardwebhooks');

const { secret, deliveries } = JSON.parse(readFileSync(0, 'utf8'));
const webhook = new Webhook(secret);
const events = deliveries.map(({ headers, body }) => {
  try {
    webhook.verify(body, headers);
  } catch {
    return null;
  }
  const event = HTTP.toEvent({ headers, body });
  event.validate();
  return event.toJSON();
});
process.stdout.write(JSON.stringify(events));
