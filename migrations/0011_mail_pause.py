"""A pause of all mails after a silent server

Revision: 0011, after: 0010
"""

import sqlalchemy as sa
from alembic import op


revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'mail_pauses',
        sa.Column('id', sa.Integer(), nullable=False),
        sa.Column('until', sa.DateTime(timezone=True), nullable=False),
        sa.Column('why', sa.String(), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_mail_pauses')),
    )


def downgrade() -> None:
    op.drop_table('mail_pauses')
