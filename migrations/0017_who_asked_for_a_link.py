"""Who asked for a link: known browsers are counted apart from strangers

Revision: 0017, after: 0016
"""

import sqlalchemy as sa
from alembic import op


revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('password_links', sa.Column('asked_in', sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column('password_links', 'asked_in')
