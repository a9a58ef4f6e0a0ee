"""Hidden pages: only a page that said so may be brought back

Revision: 0015, after: 0014
"""

import sqlalchemy as sa
from alembic import op


revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('wizards', sa.Column('page', sa.String(), nullable=True))
    op.add_column('wizards', sa.Column('page_number', sa.Integer(), nullable=True))
    op.add_column('wizards', sa.Column('hidden_at', sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for column in ('hidden_at', 'page_number', 'page'):
        op.drop_column('wizards', column)
