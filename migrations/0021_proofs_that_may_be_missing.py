"""A sign-in needs no proof: the first migration said otherwise before it was edited

Installations whose first tables are from before that refuse every sign-in that a trusted
device spares the code. Where the column is right already, nothing changes.

Revision: 0021, after: 0020
"""

import sqlalchemy as sa
from alembic import op


revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None


def upgrade() -> None:
    bind = op.get_bind()
    columns = {one['name']: one for one in sa.inspect(bind).get_columns('sign_ins')}
    if columns['proved_at']['nullable']:
        return
    if bind.dialect.name != 'sqlite':
        op.alter_column('sign_ins', 'proved_at', nullable=True)
        return
    # SQLite makes the table anew. Foreign keys are off meanwhile (db.py), and no number of a
    # sign-in is given twice.
    assert bind.exec_driver_sql('PRAGMA foreign_keys').scalar() == 0
    number = bind.scalar(sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'sign_ins'"))
    with op.batch_alter_table('sign_ins', table_kwargs={'sqlite_autoincrement': True}) as batch:
        batch.alter_column('proved_at', existing_type=sa.DateTime(timezone=True), nullable=True)
    if number is not None:
        bind.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = 'sign_ins'"))
        bind.execute(
            sa.text("INSERT INTO sqlite_sequence (seq, name) VALUES (:seq, 'sign_ins')"),
            {'seq': number},
        )
    assert bind.exec_driver_sql('PRAGMA foreign_key_check').all() == []


def downgrade() -> None:
    """Leave the column as the first migration makes it today."""
