"""Bounds of typed values: what is beyond them is brought to the nearest, then they are held

Revision: 0018, after: 0017
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op


revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None

FIRST, LAST, AFTER = '2000-01-01 00:00:00+00', '2199-12-31 23:59:59+00', '2200-01-01 00:00:00+00'
LENGTHS = {
    'accounts': {'email': 254, 'asked_email': 254, 'name': 120},
    'organisations': {'name': 120},
    'sign_ins': {'next_path': 1000, 'let_through': 1000, 'proof_for': 1000},
    'events': {'factor': 100, 'result': 500, 'reason': 200, 'address': 100, 'browser': 100, 'system': 100},
    'identities': {'issuer': 500, 'subject': 255},
    'sso_trips': {'subject': 255},
    'backup_emails': {'address': 254},
    'authenticators': {'label': 280},
    'void_records': {'label': 280},
    'wizards': {'label': 280, 'address': 254},
    'outbox': {'recipient': 254},
}
UNIQUE = {('accounts', 'email'), ('organisations', 'name')}
"""Cut alike, two of these could become the same."""
RULES = {
    'organisations': {
        'grace_days': 'grace_days BETWEEN 0 AND 365',
        'hard_from': f"hard_from >= '{FIRST}' AND hard_from < '{AFTER}'",
        'enforcement': "enforcement IN ('off', 'soft', 'hard')",
    },
    'memberships': {'role': "role IN ('member', 'admin', 'owner')"},
}


def upgrade() -> None:
    _clamp()
    with _whole_tables():
        for table, rules in _rules().items():
            with op.batch_alter_table(table, table_kwargs=_kwargs(table)) as batch:
                for column, rule in rules.items():
                    batch.create_check_constraint(op.f(f'ck_{table}_{column}'), rule)


def downgrade() -> None:
    with _whole_tables():
        for table, rules in _rules().items():
            with op.batch_alter_table(table, table_kwargs=_kwargs(table)) as batch:
                for column in rules:
                    batch.drop_constraint(op.f(f'ck_{table}_{column}'), type_='check')


def _rules() -> dict[str, dict[str, str]]:
    """Return the rules by table and column."""
    found = {
        table: {column: f'length({column}) <= {most}' for column, most in columns.items()}
        for table, columns in LENGTHS.items()
    }
    for table, rules in RULES.items():
        found.setdefault(table, {}).update(rules)
    return found


def _kwargs(table: str) -> dict[str, bool]:
    """Return what SQLite's reflection does not tell: that no number is given twice."""
    bind = op.get_bind()
    if bind.dialect.name != 'sqlite':
        return {}
    made = bind.scalar(sa.text('SELECT sql FROM sqlite_master WHERE name = :t'), {'t': table})
    return {'sqlite_autoincrement': 'AUTOINCREMENT' in made}


def _clamp() -> None:
    for table, columns in LENGTHS.items():
        for column, most in columns.items():
            if (table, column) in UNIQUE:
                _cut_apart(table, column, most)
            else:
                _change(table, column, f'substr({column}, 1, {most})', f'length({column}) > {most}')
    _change('organisations', 'grace_days', '0', 'grace_days < 0')
    _change('organisations', 'grace_days', '365', 'grace_days > 365')
    _change('organisations', 'hard_from', _moment(FIRST), f"hard_from < '{FIRST}'")
    _change('organisations', 'hard_from', _moment(LAST), f"hard_from >= '{AFTER}'")
    # Nobody knows what was meant: ask for two-factor, and give no power.
    _change('organisations', 'enforcement', "'hard'", "enforcement NOT IN ('off', 'soft', 'hard')")
    _change('memberships', 'role', "'member'", "role NOT IN ('member', 'admin', 'owner')")


def _moment(text: str) -> str:
    """Return a moment as the database keeps it: SQLite as text in UTC."""
    return f"'{text[:-3]}.000000'" if op.get_bind().dialect.name == 'sqlite' else f"'{text}'"


def _change(table: str, column: str, value: str, where: str) -> None:
    done = op.get_bind().execute(sa.text(f'UPDATE {table} SET {column} = {value} WHERE {where}'))
    _tell(table, column, done.rowcount)


def _cut_apart(table: str, column: str, most: int) -> None:
    """Cut what is too long, with the row's number at its end."""
    rows = op.get_bind().execute(
        sa.text(f'SELECT id, {column} FROM {table} WHERE length({column}) > {most}')
    ).all()
    for number, value in rows:
        mark = f'~{number}'
        op.get_bind().execute(
            sa.text(f'UPDATE {table} SET {column} = :value WHERE id = :id'),
            {'value': value[: most - len(mark)] + mark, 'id': number},
        )
    _tell(table, column, len(rows))


def _tell(table: str, column: str, rows: int) -> None:
    if rows:
        logging.getLogger('alembic').warning(
            '%s rows of %s: %s was beyond its bounds, now it is the nearest bound', rows, table, column
        )


@contextmanager
def _whole_tables() -> Iterator[None]:
    """Let SQLite make tables anew, which is its only way to add a constraint.

    Foreign keys are off meanwhile (db.py): dropping the old table would reach, by them, for
    what points to its rows. The next number of each table is kept: none is given twice.
    """
    bind = op.get_bind()
    if bind.dialect.name != 'sqlite':
        yield
        return
    assert bind.exec_driver_sql('PRAGMA foreign_keys').scalar() == 0
    numbers = bind.exec_driver_sql('SELECT seq, name FROM sqlite_sequence').all()
    yield
    for number, table in numbers:
        bind.exec_driver_sql('DELETE FROM sqlite_sequence WHERE name = ?', (table,))
        bind.exec_driver_sql('INSERT INTO sqlite_sequence (seq, name) VALUES (?, ?)', (number, table))
    assert bind.exec_driver_sql('PRAGMA foreign_key_check').all() == []
