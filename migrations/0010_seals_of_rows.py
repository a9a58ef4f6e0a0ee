"""Seals of rows: a sealed value opens in its own row and column only

Revision: 0010, after: 0009

Every sealed value is opened first, as earlier versions sealed it: if one does not open,
nothing is changed. Then each row gets its random id, and its values are sealed anew, page
by page in the one transaction of the upgrade. Where nothing is sealed no key is needed.
"""

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import cached_property
from pathlib import Path

import click
import sqlalchemy as sa
from alembic import op
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import current_app

import keys


revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


PAGE = 1000
"""Rows in memory at once."""
SHOWN = 5
"""Rows of a table that the refusal names."""
NONCE_BYTES = 12

SEALED = {
    'authenticators': ['sealed_secret'],
    'void_records': ['sealed_secret'],
    'wizards': ['sealed_secret', 'sealed_codes', 'sealed_kept'],
    'outbox': ['sealed_message'],
}
OWNER = {
    'authenticators': ['account_id'],
    'void_records': ['account_id', 'label'],
    'wizards': ['account_id'],
    'outbox': ['account_id', 'recipient'],
}
"""What a value stays bound to besides the random id of its row."""
WITHOUT_ID = ['authenticators', 'void_records', 'outbox']
"""A set-up has a random id already: its attempt."""


class Broken(Exception):
    """A sealed value does not open."""


class Ring:
    """The keys that seal, read when the first value asks for them."""

    @cached_property
    def sealers(self):
        try:
            found = keys.seal_keys(Path(current_app.instance_path) / 'keys')
        except keys.KeysMissing as error:
            raise click.ClickException(f'Nothing was changed. {error}') from None
        return {number: AESGCM(key) for number, key in found.items()}

    def open(self, sealed, place):
        key_id, _, text = sealed.partition(':')
        try:
            raw = urlsafe_b64decode(text)
            sealer = self.sealers[key_id]
            bound = _bound(place, key_id)
            return sealer.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], bound).decode()
        except (KeyError, ValueError, InvalidTag):
            raise Broken from None

    def seal(self, plain, place):
        key_id = max(self.sealers, key=int)
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self.sealers[key_id].encrypt(nonce, plain.encode(), _bound(place, key_id))
        return f'{key_id}:{urlsafe_b64encode(nonce + sealed).decode("ascii")}'


def _bound(place, key_id):
    parts = [part.encode() for part in [*place, key_id]]
    return b''.join(len(part).to_bytes(4, 'big') + part for part in parts)


def upgrade() -> None:
    ring = Ring()
    _check(ring)
    for table in WITHOUT_ID:
        op.add_column(table, sa.Column('seal_id', sa.String(), nullable=False, server_default=''))
    for table in SEALED:
        for page in _pages(table, every=table in WITHOUT_ID):
            _store(table, [_sealed_anew(ring, table, row) for row in page])
    for table in WITHOUT_ID:
        op.create_index(op.f(f'ix_{table}_seal_id'), table, ['seal_id'], unique=True)


def downgrade() -> None:
    raise click.ClickException(
        'Older versions cannot open what is sealed now. Put back the copy from before the upgrade.'
    )


def _check(ring):
    """Open every sealed value; refuse with a sentence that counts the rows that do not open."""
    counted = []
    for table in SEALED:
        pages = _pages(table, every=False)
        ids = [row['id'] for page in pages for row in page if not _opens(ring, table, row)]
        counted += [_counted(table, ids)] if ids else []
    if counted:
        raise click.ClickException(
            f'Nothing was changed: sealed values do not open in {" and ".join(counted)}. '
            'Put back the keys that belong to this database and run this again. '
            'If they are the right keys, see "Upgrade" in docs/deploy.md.'
        )


def _counted(table, ids):
    first = ', '.join(map(str, ids[:SHOWN])) + (', …' if len(ids) > SHOWN else '')
    return f'{len(ids)} row{"s" if len(ids) > 1 else ""} of {table} (id {first})'


def _opens(ring, table, row):
    try:
        _opened(ring, table, row)
    except Broken:
        return False
    return True


def _pages(table, every):
    """Yield every row, or those that hold sealed values, in pages."""
    has_one = ' OR '.join(f'{name} IS NOT NULL' for name in SEALED[table])
    names = ['id', *OWNER[table], *SEALED[table]] + (['attempt'] if table == 'wizards' else [])
    query = sa.text(
        f'SELECT {", ".join(names)} FROM {table} '
        f'WHERE id > :last {"" if every else f"AND ({has_one})"} ORDER BY id LIMIT {PAGE}'
    )
    last = 0
    while page := [dict(row) for row in op.get_bind().execute(query, {'last': last}).mappings()]:
        yield page
        last = page[-1]['id']


def _store(table, rows):
    names = SEALED[table] + (['seal_id'] if table in WITHOUT_ID else [])
    values = ', '.join(f'{name} = :{name}' for name in names)
    op.get_bind().execute(
        sa.text(f'UPDATE {table} SET {values} WHERE id = :id'),
        [{name: row[name] for name in ['id', *names]} for row in rows],
    )


def _sealed_anew(ring, table, row):
    """Return the row with its random id and its values sealed for it."""
    row_id = row['attempt'] if table == 'wizards' else secrets.token_hex(16)
    owner = [str(row[name]) for name in OWNER[table]]
    sealed = {
        name: ring.seal(plain, [f'{table}.{name}', row_id, *owner])
        for name, plain in _opened(ring, table, row).items()
    }
    return row | sealed | {'seal_id': row_id}


def _opened(ring, table, row):
    """Return the plain texts of a row by column; raise Broken if one does not open."""
    place = _place_before(table, row)
    plain = {name: ring.open(row[name], place) for name in SEALED[table] if row[name] is not None}
    if 'sealed_kept' in plain:
        plain['sealed_kept'] = _kept(ring, plain['sealed_kept'], place)
    return plain


def _kept(ring, plain, place):
    """Return what was set aside, of which two parts were sealed once more inside."""
    secret, codes, address, nonce = json.loads(plain)
    parts = {'sealed_secret': secret, 'sealed_codes': codes}
    opened = {name: ring.open(part, place) for name, part in parts.items() if part is not None}
    return json.dumps(opened | {'address': address, 'email_nonce': nonce})


def _place_before(table, row):
    """Return the purpose and the owner that earlier versions bound a value to."""
    if table == 'authenticators':
        return ['authenticator secret', str(row['account_id'])]
    if table == 'void_records':
        return ['void record', f'{row["account_id"]}/{row["label"]}']
    if table == 'wizards':
        return ['wizard', f'{row["account_id"]}/{row["attempt"]}']
    return ['outbox', row['recipient']]
