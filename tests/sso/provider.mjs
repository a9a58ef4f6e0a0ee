// A real OpenID provider: `node provider.mjs PORT`. Its own two pages are as plain as can be: who
// signs in, and how. It prints a line when it listens.
import { Provider, interactionPolicy } from 'oidc-provider';

const port = Number(process.argv[2]);
const methods = {
  password: { amr: ['pwd'], acr: 'urn:pwd' },
  'password and code': { amr: ['pwd', 'otp', 'mfa'], acr: 'urn:mfa' },
  untold: {},
};
const client = {
  client_id: 'onward',
  client_secret: 'a secret of the client, 32 characters',
  application_type: 'native', // so that its site may have any port of this machine
  redirect_uris: ['http://127.0.0.1/signin/sso/example/callback'],
  post_logout_redirect_uris: ['http://127.0.0.1/signin'],
  response_types: ['code'],
  grant_types: ['authorization_code'],
};
const person = (id) => ({
  accountId: id,
  claims: () => ({ sub: id, email: id, email_verified: true, name: 'Nora New' }),
});

// Nobody is asked what Onward may read: the operator of this provider has agreed.
const policy = interactionPolicy.base();
policy.get('consent').checks.remove('native_client_prompt');

const provider = new Provider(`http://localhost:${port}`, {
  clients: [client],
  cookies: { keys: ['a key'] },
  pkce: { required: () => true },
  acrValues: ['urn:mfa', 'urn:pwd'],
  claims: {
    openid: ['sub', 'amr', 'acr', 'auth_time'],
    email: ['email', 'email_verified'],
    profile: ['name'],
  },
  features: {
    devInteractions: { enabled: false },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (ctx, form) => {
        ctx.type = 'html';
        ctx.body = `<!DOCTYPE html><title>Out</title>${form}<button form="op.logoutForm" name="logout" value="yes">Sign out there</button>`;
      },
    },
  },
  interactions: { policy, url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (ctx, id) => person(id),
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope('openid email profile');
    await grant.save();
    return grant;
  },
});

const page = `<!DOCTYPE html><title>In</title><form method="post">
<label>Who <input name="who"></label>
<label>How <select name="how">${Object.keys(methods).map((how) => `<option>${how}`).join('')}</select></label>
<button>Go on</button> <button name="stop" value="1">Stop</button></form>`;

provider.use(async (ctx, next) => {
  if (ctx.path === '/favicon.ico') {
    ctx.status = 204;
    return undefined;
  }
  if (!ctx.path.startsWith('/interaction/')) return next();
  await provider.interactionDetails(ctx.req, ctx.res);
  if (ctx.method === 'GET') {
    ctx.type = 'html';
    ctx.body = page;
    return undefined;
  }
  let body = '';
  for await (const chunk of ctx.req) body += chunk;
  const fields = new URLSearchParams(body);
  const result = fields.get('stop')
    ? { error: 'access_denied' }
    : { login: { accountId: fields.get('who'), ...methods[fields.get('how')] } };
  await provider.interactionFinished(ctx.req, ctx.res, result);
  ctx.respond = false;
  return undefined;
});

provider.listen(port, '127.0.0.1', () => console.log('listening'));
