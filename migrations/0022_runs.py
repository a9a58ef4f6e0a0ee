"""When each kind of work that repeats last ended

Revision: 0022, after: 0021
"""

import sqlalchemy as sa
from alembic import op


revision = '0022'
down_revision = '0021'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'runs',
        sa.Column('work', sa.String(length=20), nullable=False),
        sa.Column('ended_at', sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('work', name=op.f('pk_runs')),
    )


def downgrade() -> None:
    op.drop_table('runs')
